package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"fakebus/tests/clients/contract"
)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func (p program) produce(ctx context.Context, arguments contract.Arguments) (any, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(p.bootstrapServers),
		kgo.DefaultProduceTopic(arguments.Topic),
		kgo.ProducerBatchCompression(codecs[arguments.Codec]),
		kgo.ProducerBatchMaxBytes(16 << 20),
	}
	if arguments.Records[0].Partition != nil {
		options = append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	records := make([]*kgo.Record, len(arguments.Records))
	for i, asked := range arguments.Records {
		records[i] = &kgo.Record{Key: contract.Bytes(asked.Key), Value: contract.Bytes(asked.Value)}
		if asked.Partition != nil {
			records[i].Partition = *asked.Partition
		}
		if asked.Timestamp != 0 {
			records[i].Timestamp = timeOf(asked.Timestamp)
		}
		for _, header := range asked.Headers {
			made := kgo.RecordHeader{Key: *header[0], Value: contract.Bytes(header[1])}
			records[i].Headers = append(records[i].Headers, made)
		}
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return nil, err
	}
	results := make([]map[string]any, len(records))
	for i, record := range records {
		results[i] = map[string]any{"partition": record.Partition, "offset": record.Offset}
	}
	return results, nil
}

func (p program) groupOptions(arguments contract.Arguments) []kgo.Opt {
	background := context.Background()
	if arguments.Protocol == "consumer" {
		// How franz-go is told to speak the protocol of KIP-848.
		background = context.WithValue(background, "opt_in_kafka_next_gen_balancer_beta", true)
	}
	return []kgo.Opt{
		kgo.WithContext(background),
		kgo.SeedBrokers(p.bootstrapServers),
		kgo.ConsumerGroup(arguments.Group),
		kgo.ConsumeTopics(arguments.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(arguments.SessionTimeout()),
		kgo.HeartbeatInterval(arguments.SessionTimeout() / 4),
		kgo.FetchMaxWait(contract.Timeout / 40),
	}
}

func (p program) consume(ctx context.Context, arguments contract.Arguments) (any, error) {
	client, err := kgo.NewClient(p.groupOptions(arguments)...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	records, err := poll(ctx, client, arguments.Count)
	if err != nil {
		return nil, err
	}
	ctx = kgo.PreCommitFnContext(ctx, func(request *kmsg.OffsetCommitRequest) error {
		for _, topic := range request.Topics {
			for i := range topic.Partitions {
				topic.Partitions[i].Metadata = &arguments.Metadata
			}
		}
		return nil
	})
	return describeAll(records), client.CommitRecords(ctx, records...)
}

func poll(ctx context.Context, client *kgo.Client, count int) ([]*kgo.Record, error) {
	var records []*kgo.Record
	for len(records) < count {
		fetches := client.PollRecords(ctx, count-len(records))
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read %d records of %d: %w", len(records), count, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records, nil
}

// ownership is what a member owns, told to the driver whenever it grows.
type ownership struct {
	mutex      sync.Mutex
	partitions []int32
}

func (owned *ownership) add(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	owned.mutex.Lock()
	defer owned.mutex.Unlock()
	for _, partitions := range added {
		owned.partitions = append(owned.partitions, partitions...)
	}
	slices.Sort(owned.partitions)
	contract.Say(map[string]any{"event": "assigned", "partitions": owned.partitions})
}

func (owned *ownership) remove(_ context.Context, _ *kgo.Client, removed map[string][]int32) {
	owned.mutex.Lock()
	defer owned.mutex.Unlock()
	for _, partitions := range removed {
		owned.partitions = slices.DeleteFunc(owned.partitions, func(partition int32) bool {
			return slices.Contains(partitions, partition)
		})
	}
	contract.Say(map[string]any{"event": "assigned", "partitions": owned.partitions})
}

func (p program) member(ctx context.Context, arguments contract.Arguments) (any, error) {
	owned := &ownership{partitions: []int32{}}
	options := append(p.groupOptions(arguments),
		kgo.ClientID(arguments.ClientID),
		kgo.OnPartitionsAssigned(owned.add),
		kgo.OnPartitionsRevoked(owned.remove),
		kgo.OnPartitionsLost(owned.remove),
	)
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	polling, stop := context.WithCancel(ctx)
	go func() {
		<-contract.Stopped()
		stop()
	}()
	for {
		fetches := client.PollRecords(polling, 10)
		if polling.Err() != nil {
			return []any{}, nil
		}
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		for _, record := range fetches.Records() {
			// Said before it is committed, so that a kill between the two loses nothing.
			contract.Say(map[string]any{"event": "record", "record": describe(record)})
		}
		// A rebalance may have taken the partition away; its new owner then reads the record again.
		_ = client.CommitRecords(ctx, fetches.Records()...)
	}
}

func (p program) read(ctx context.Context, arguments contract.Arguments) (any, error) {
	partitions, err := arguments.PartitionList()
	if err != nil {
		return nil, err
	}
	start := kgo.NewOffset().AtStart()
	if arguments.Start.Offset != nil {
		start = kgo.NewOffset().At(*arguments.Start.Offset)
	} else if arguments.Start.Timestamp != nil {
		start = kgo.NewOffset().AfterMilli(*arguments.Start.Timestamp)
	}
	offsets := map[int32]kgo.Offset{}
	for _, partition := range partitions {
		offsets[partition] = start
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(p.bootstrapServers),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{arguments.Topic: offsets}),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	records, err := poll(ctx, client, arguments.Count)
	return describeAll(records), err
}

func describeAll(records []*kgo.Record) []contract.Record {
	described := make([]contract.Record, len(records))
	for i, record := range records {
		described[i] = describe(record)
	}
	return described
}

func describe(record *kgo.Record) contract.Record {
	described := contract.Record{
		Partition: &record.Partition,
		Offset:    record.Offset,
		Timestamp: record.Timestamp.UnixMilli(),
		Key:       contract.Text(record.Key),
		Value:     contract.Text(record.Value),
		Headers:   []contract.Header{},
	}
	for _, header := range record.Headers {
		pair := contract.Header{&header.Key, contract.Text(header.Value)}
		described.Headers = append(described.Headers, pair)
	}
	return described
}
