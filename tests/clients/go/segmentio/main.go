// Command segmentio drives a broker with kafka-go: segmentio HOST:PORT, commands on standard input.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/segmentio/kafka-go"

	"fakebus/tests/clients/contract"
)

type program struct {
	bootstrapServers []string
	client           *kafka.Client
}

func main() {
	contract.Serve(map[string]contract.Command{
		"produce":           fresh(program.produce),
		"consume":           fresh(program.consume),
		"member":            fresh(program.member),
		"read":              fresh(program.read),
		"create_topic":      fresh(program.createTopic),
		"describe_topic":    fresh(program.describeTopic),
		"list_topics":       fresh(program.listTopics),
		"delete_topic":      fresh(program.deleteTopic),
		"create_partitions": fresh(program.createPartitions),
		"describe_configs":  fresh(program.describeConfigs),
		"alter_configs":     fresh(program.alterConfigs),
		"describe_cluster":  fresh(program.describeCluster),
		"offsets":           fresh(program.offsets),
		"committed":         fresh(program.committed),
		"alter_offsets":     fresh(program.alterOffsets),
		"delete_offsets":    fresh(program.deleteOffsets),
	}, codeOf)
}

// fresh runs a command over connections of its own: kafka-go keeps metadata for a while, so that a
// topic which was just created is unknown to it.
func fresh(
	run func(program, context.Context, contract.Arguments) (any, error),
) contract.Command {
	return func(ctx context.Context, arguments contract.Arguments) (any, error) {
		transport := &kafka.Transport{MetadataTTL: metadataAge}
		defer transport.CloseIdleConnections()
		client := &kafka.Client{
			Addr: kafka.TCP(os.Args[1]), Timeout: contract.Timeout, Transport: transport,
		}
		return run(program{bootstrapServers: os.Args[1:2], client: client}, ctx, arguments)
	}
}

func codeOf(err error) int {
	var tooLarge kafka.MessageTooLargeError
	if errors.As(err, &tooLarge) {
		return int(kafka.MessageSizeTooLarge)
	}
	var code kafka.Error
	if errors.As(err, &code) {
		return int(code)
	}
	return 0
}
