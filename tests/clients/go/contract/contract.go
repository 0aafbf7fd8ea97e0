// Package contract is a program's side of tests/clients/README.md: commands come as JSON lines on
// standard input, and each is answered by one line, a result or Kafka's error code.
package contract

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// Timeout bounds every command but member.
const Timeout = 20 * time.Second

// Header is a record header: its key, then its value, which may be null.
type Header [2]*string

// Record is a record to produce or one that was read.
type Record struct {
	Partition *int32   `json:"partition"`
	Offset    int64    `json:"offset"`
	Timestamp int64    `json:"timestamp"`
	Key       *string  `json:"key"`
	Value     *string  `json:"value"`
	Headers   []Header `json:"headers"`
}

// Start is where to start reading: the text "earliest", an offset or a timestamp.
type Start struct {
	Offset    *int64 `json:"offset"`
	Timestamp *int64 `json:"timestamp"`
}

// UnmarshalJSON takes the text for a start without offset and timestamp.
func (start *Start) UnmarshalJSON(text []byte) error {
	if string(text) == `"earliest"` {
		return nil
	}
	type plain Start
	return json.Unmarshal(text, (*plain)(start))
}

// Committed is an offset that a group committed, or is to commit.
type Committed struct {
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Metadata  string `json:"metadata"`
}

// Listed is an answer of ListOffsets.
type Listed struct {
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
	Timestamp int64 `json:"timestamp"`
}

// Config is one described config.
type Config struct {
	Value     *string `json:"value"`
	Default   bool    `json:"default"`
	Sensitive bool    `json:"sensitive"`
}

// Member is one member of a described group.
type Member struct {
	ClientID   string  `json:"client_id"`
	Partitions []int32 `json:"partitions"`
}

// Arguments are those of all commands.
type Arguments struct {
	Command          string             `json:"command"`
	Topic            string             `json:"topic"`
	Group            string             `json:"group"`
	Codec            string             `json:"codec"`
	Records          []Record           `json:"records"`
	Count            int                `json:"count"`
	Metadata         string             `json:"metadata"`
	ClientID         string             `json:"client_id"`
	SessionTimeoutMs int                `json:"session_timeout_ms"`
	Protocol         string             `json:"protocol"`
	Partitions       json.RawMessage    `json:"partitions"`
	Partition        int32              `json:"partition"`
	Start            Start              `json:"start"`
	At               any                `json:"at"`
	Broker           *string            `json:"broker"`
	Configs          map[string]*string `json:"configs"`
	Set              map[string]*string `json:"set"`
	Delete           []string           `json:"delete"`
	Before           int64              `json:"before"`
	Offsets          []Committed        `json:"offsets"`
	Acknowledge      []string           `json:"acknowledge"`
	WaitMs           int                `json:"wait_ms"`

	// Those of programs that speak with a schema registry.
	Subject    string               `json:"subject"`
	Type       string               `json:"type"`
	Schema     string               `json:"schema"`
	References []sr.SchemaReference `json:"references"`
	Values     []map[string]any     `json:"values"`
}

// PartitionList is the argument `partitions` where it names partitions.
func (arguments Arguments) PartitionList() (partitions []int32, err error) {
	err = json.Unmarshal(arguments.Partitions, &partitions)
	return partitions, err
}

// PartitionCount is the argument `partitions` where it is their number.
func (arguments Arguments) PartitionCount() (count int32, err error) {
	err = json.Unmarshal(arguments.Partitions, &count)
	return count, err
}

// SessionTimeout is the argument `session_timeout_ms`, 6 seconds if it is not given.
func (arguments Arguments) SessionTimeout() time.Duration {
	if arguments.SessionTimeoutMs == 0 {
		return 6 * time.Second
	}
	return time.Duration(arguments.SessionTimeoutMs) * time.Millisecond
}

// Command returns what to answer; its context ends with the command's time.
type Command func(context.Context, Arguments) (any, error)

var (
	lines = make(chan string)
	mutex sync.Mutex
)

// Stopped is closed over when the driver has sent a line, or has closed the pipe.
func Stopped() <-chan string { return lines }

// Say writes one line.
func Say(line any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	mutex.Lock()
	defer mutex.Unlock()
	fmt.Println(string(text))
}

// Serve runs commands until standard input ends.
//
// codeOf returns the number of the server's error, or 0 for an error that is not the server's: it ends the
// program with status 1.
func Serve(commands map[string]Command, codeOf func(error) int) {
	go func() {
		scanner := bufio.NewScanner(os.Stdin)
		scanner.Buffer(nil, 64<<20)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
		close(lines)
	}()
	for line := range lines {
		var arguments Arguments
		if err := json.Unmarshal([]byte(line), &arguments); err != nil {
			fail(fmt.Errorf("%s: %w", line, err))
		}
		command, ok := commands[arguments.Command]
		if !ok {
			fail(fmt.Errorf("no such command: %s", line))
		}
		timeout := Timeout
		if arguments.Command == "member" {
			timeout = time.Hour
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		result, err := command(ctx, arguments)
		cancel()
		if err == nil {
			Say(map[string]any{"result": result})
		} else if code := codeOf(err); code != 0 {
			Say(map[string]any{"error_code": code, "message": err.Error()})
		} else {
			fail(fmt.Errorf("%s: %w", arguments.Command, err))
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Text is the bytes as a string, null for null.
func Text(bytes []byte) *string {
	if bytes == nil {
		return nil
	}
	text := string(bytes)
	return &text
}

// Bytes is the string as bytes, null for null.
func Bytes(text *string) []byte {
	if text == nil {
		return nil
	}
	return []byte(*text)
}
