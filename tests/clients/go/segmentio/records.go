package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"fakebus/tests/clients/contract"
)

const (
	longestWait = 200 * time.Millisecond
	largest     = 16 << 20
)

var codecs = map[string]kafka.Compression{
	"none":   0,
	"gzip":   kafka.Gzip,
	"snappy": kafka.Snappy,
	"lz4":    kafka.Lz4,
	"zstd":   kafka.Zstd,
}

// asked is what the driver wants of a record, and how its result is found again.
type asked struct {
	number    int
	partition *int32
}

// place is where a record goes that names its partition; others go where their key says.
func place(message kafka.Message, partitions ...int) int {
	if named := message.WriterData.(asked).partition; named != nil {
		return int(*named)
	}
	return kafka.Murmur2Balancer{Consistent: true}.Balance(message, partitions...)
}

func toWrite(number int, record contract.Record) kafka.Message {
	made := kafka.Message{
		Key: contract.Bytes(record.Key), Value: contract.Bytes(record.Value),
		WriterData: asked{number, record.Partition},
	}
	if record.Timestamp != 0 {
		made.Time = time.UnixMilli(record.Timestamp)
	}
	for _, header := range record.Headers {
		pair := kafka.Header{Key: *header[0], Value: contract.Bytes(header[1])}
		made.Headers = append(made.Headers, pair)
	}
	return made
}

func (p program) produce(ctx context.Context, arguments contract.Arguments) (any, error) {
	if err := p.awaitTopic(ctx, arguments.Topic); err != nil {
		return nil, err
	}
	messages := make([]kafka.Message, len(arguments.Records))
	for i, record := range arguments.Records {
		messages[i] = toWrite(i, record)
	}
	results := make([]map[string]any, len(messages))
	var mutex sync.Mutex
	writer := &kafka.Writer{
		Addr: p.client.Addr, Transport: p.client.Transport, Topic: arguments.Topic,
		Balancer: kafka.BalancerFunc(place), RequiredAcks: kafka.RequireAll,
		Compression: codecs[arguments.Codec], BatchBytes: largest, BatchTimeout: time.Millisecond,
		Completion: func(written []kafka.Message, _ error) {
			mutex.Lock()
			defer mutex.Unlock()
			for _, one := range written {
				results[one.WriterData.(asked).number] = map[string]any{
					"partition": one.Partition, "offset": one.Offset,
				}
			}
		},
	}
	defer writer.Close()
	err := writer.WriteMessages(ctx, messages...)
	var failed kafka.WriteErrors
	if errors.As(err, &failed) {
		err = errors.Join(failed...)
	}
	return results, err
}

func (p program) consume(ctx context.Context, arguments contract.Arguments) (any, error) {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: p.bootstrapServers, Topic: arguments.Topic, GroupID: arguments.Group,
		SessionTimeout: arguments.SessionTimeout(), HeartbeatInterval: arguments.SessionTimeout() / 4,
		StartOffset: kafka.FirstOffset, MinBytes: 1, MaxBytes: largest, MaxWait: longestWait,
	})
	defer reader.Close()
	records := []contract.Record{}
	for len(records) < arguments.Count {
		message, err := reader.FetchMessage(ctx)
		if err != nil {
			return nil, err
		}
		if err := reader.CommitMessages(ctx, message); err != nil {
			return nil, err
		}
		records = append(records, described(message))
	}
	return records, nil
}

// forward reads a partition from an offset and hands over what it reads, until it may not.
func (p program) forward(
	ctx context.Context, topic string, partition int, offset int64, take func(kafka.Message) error,
) error {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: p.bootstrapServers, Topic: topic, Partition: partition,
		MinBytes: 1, MaxBytes: largest, MaxWait: longestWait,
	})
	defer reader.Close()
	if err := reader.SetOffset(offset); err != nil {
		return err
	}
	for {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			return err
		}
		if err := take(message); err != nil {
			return err
		}
	}
}

func (p program) member(ctx context.Context, arguments contract.Arguments) (any, error) {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: arguments.Group, Brokers: p.bootstrapServers, Topics: []string{arguments.Topic},
		Dialer:            &kafka.Dialer{ClientID: arguments.ClientID, Timeout: contract.Timeout},
		SessionTimeout:    arguments.SessionTimeout(),
		HeartbeatInterval: arguments.SessionTimeout() / 4,
		JoinGroupBackoff:  longestWait,
		StartOffset:       kafka.FirstOffset,
	})
	if err != nil {
		return nil, err
	}
	defer group.Close()
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		<-contract.Stopped()
		stop()
	}()
	for {
		generation, err := group.Next(consuming)
		if consuming.Err() != nil {
			return []any{}, nil
		}
		if err != nil {
			return nil, err
		}
		partitions := []int{}
		for _, assigned := range generation.Assignments[arguments.Topic] {
			partitions = append(partitions, assigned.ID)
			generation.Start(p.reading(generation, arguments.Topic, assigned))
		}
		slices.Sort(partitions)
		contract.Say(map[string]any{"event": "assigned", "partitions": partitions})
	}
}

// reading tells the driver what comes, and commits each record, while the generation lasts.
func (p program) reading(
	generation *kafka.Generation, topic string, assigned kafka.PartitionAssignment,
) func(context.Context) {
	take := func(message kafka.Message) error {
		// Said before it is committed, so that a kill between the two loses nothing.
		contract.Say(map[string]any{"event": "record", "record": described(message)})
		next := map[int]int64{assigned.ID: message.Offset + 1}
		return generation.CommitOffsets(map[string]map[int]int64{topic: next})
	}
	return func(ctx context.Context) {
		err := p.forward(ctx, topic, assigned.ID, assigned.Offset, take)
		// A refused commit means a rebalance, upon which the partition is assigned anew.
		if ctx.Err() == nil && codeOf(err) == 0 && !errors.Is(err, kafka.ErrGenerationEnded) {
			panic(err)
		}
	}
}

// read asks without kafka-go's Reader, which cannot tell an empty value from none.
func (p program) read(ctx context.Context, arguments contract.Arguments) (any, error) {
	if err := p.awaitTopic(ctx, arguments.Topic); err != nil {
		return nil, err
	}
	partitions, err := partitionsOf(arguments)
	if err != nil {
		return nil, err
	}
	positions := map[int]int64{}
	for _, partition := range partitions {
		if positions[partition], err = p.startOffset(ctx, arguments, partition); err != nil {
			return nil, err
		}
	}
	records := []contract.Record{}
	for len(records) < arguments.Count {
		for _, partition := range partitions {
			found, err := p.fetch(ctx, arguments.Topic, partition, positions[partition])
			if err != nil {
				return nil, err
			}
			for _, record := range found {
				positions[partition] = record.Offset + 1
			}
			records = append(records, found...)
		}
	}
	return records, nil
}

func (p program) fetch(
	ctx context.Context, topic string, partition int, offset int64,
) ([]contract.Record, error) {
	answer, err := p.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: topic, Partition: partition, Offset: offset,
		MinBytes: 1, MaxBytes: largest, MaxWait: longestWait,
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return nil, err
	}
	records := []contract.Record{}
	for {
		record, err := answer.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		made := kafka.Message{
			Partition: partition, Offset: record.Offset, Time: record.Time, Headers: record.Headers,
		}
		if made.Key, err = kafka.ReadAll(record.Key); err != nil {
			return nil, err
		}
		if made.Value, err = kafka.ReadAll(record.Value); err != nil {
			return nil, err
		}
		if record.Offset >= offset {
			records = append(records, described(made))
		}
	}
}

func (p program) startOffset(
	ctx context.Context, arguments contract.Arguments, partition int,
) (int64, error) {
	if arguments.Start.Offset != nil {
		return *arguments.Start.Offset, nil
	}
	at := int64(kafka.FirstOffset)
	if arguments.Start.Timestamp != nil {
		at = *arguments.Start.Timestamp
	}
	listed, err := p.list(ctx, arguments.Topic, []int{partition}, at)
	if err == nil && listed[0].Offset == -1 {
		listed, err = p.list(ctx, arguments.Topic, []int{partition}, kafka.LastOffset)
	}
	if err != nil {
		return 0, err
	}
	return listed[0].Offset, nil
}

func described(message kafka.Message) contract.Record {
	partition := int32(message.Partition)
	record := contract.Record{
		Partition: &partition,
		Offset:    message.Offset,
		Timestamp: message.Time.UnixMilli(),
		Key:       contract.Text(message.Key),
		Value:     contract.Text(message.Value),
		Headers:   []contract.Header{},
	}
	for _, header := range message.Headers {
		key := header.Key
		record.Headers = append(record.Headers, contract.Header{&key, contract.Text(header.Value)})
	}
	return record
}
