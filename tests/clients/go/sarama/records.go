package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"fakebus/tests/clients/contract"
)

var codecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

func encoder(text *string) sarama.Encoder {
	if text == nil {
		return nil
	}
	return sarama.StringEncoder(*text)
}

func (p program) produce(_ context.Context, arguments contract.Arguments) (any, error) {
	config := settings()
	config.Producer.Compression = codecs[arguments.Codec]
	if arguments.Records[0].Partition != nil {
		config.Producer.Partitioner = sarama.NewManualPartitioner
	}
	producer, err := sarama.NewSyncProducer(p.bootstrapServers, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, len(arguments.Records))
	for i, record := range arguments.Records {
		messages[i] = &sarama.ProducerMessage{
			Topic: arguments.Topic, Key: encoder(record.Key), Value: encoder(record.Value),
		}
		if record.Partition != nil {
			messages[i].Partition = *record.Partition
		}
		if record.Timestamp != 0 {
			messages[i].Timestamp = time.UnixMilli(record.Timestamp)
		}
		for _, header := range record.Headers {
			made := sarama.RecordHeader{Key: []byte(*header[0]), Value: contract.Bytes(header[1])}
			messages[i].Headers = append(messages[i].Headers, made)
		}
	}
	if err := producer.SendMessages(messages); err != nil {
		var failed sarama.ProducerErrors
		if errors.As(err, &failed) {
			return nil, failed[0].Err
		}
		return nil, err
	}
	results := make([]map[string]any, len(messages))
	for i, message := range messages {
		results[i] = map[string]any{"partition": message.Partition, "offset": message.Offset}
	}
	return results, nil
}

func (p program) group(arguments contract.Arguments) (sarama.ConsumerGroup, error) {
	config := settings()
	config.Consumer.Group.Session.Timeout = arguments.SessionTimeout()
	config.Consumer.Group.Heartbeat.Interval = arguments.SessionTimeout() / 4
	config.Consumer.Group.Rebalance.Strategy = sarama.NewBalanceStrategyRange()
	if arguments.ClientID != "" {
		config.ClientID = arguments.ClientID
	}
	return sarama.NewConsumerGroup(p.bootstrapServers, arguments.Group, config)
}

// collector takes records of all partitions until it has enough, and marks what it took.
type collector struct {
	mutex     sync.Mutex
	arguments contract.Arguments
	records   []contract.Record
	enough    context.CancelFunc
}

func (c *collector) Setup(sarama.ConsumerGroupSession) error { return nil }

func (c *collector) Cleanup(session sarama.ConsumerGroupSession) error {
	session.Commit()
	return nil
}

func (c *collector) take(session sarama.ConsumerGroupSession, message *sarama.ConsumerMessage) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if len(c.records) < c.arguments.Count {
		c.records = append(c.records, describe(message))
		session.MarkOffset(message.Topic, message.Partition, message.Offset+1, c.arguments.Metadata)
	}
	if len(c.records) == c.arguments.Count {
		c.enough()
	}
}

func (c *collector) ConsumeClaim(
	session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim,
) error {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			c.take(session, message)
		case <-session.Context().Done():
			return nil
		}
	}
}

func (p program) consume(ctx context.Context, arguments contract.Arguments) (any, error) {
	group, err := p.group(arguments)
	if err != nil {
		return nil, err
	}
	defer group.Close()
	consuming, enough := context.WithCancel(ctx)
	defer enough()
	collected := &collector{arguments: arguments, records: []contract.Record{}, enough: enough}
	for consuming.Err() == nil {
		if err := group.Consume(consuming, []string{arguments.Topic}, collected); err != nil {
			return nil, err
		}
	}
	if len(collected.records) < arguments.Count {
		return nil, fmt.Errorf("read %d records of %d", len(collected.records), arguments.Count)
	}
	return collected.records, nil
}

// member tells the driver what it owns and reads, and commits each record.
type member struct{}

func (member) Setup(session sarama.ConsumerGroupSession) error {
	partitions := []int32{}
	for _, claimed := range session.Claims() {
		partitions = append(partitions, claimed...)
	}
	slices.Sort(partitions)
	contract.Say(map[string]any{"event": "assigned", "partitions": partitions})
	return nil
}

func (member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (member) ConsumeClaim(
	session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim,
) error {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			// Said before it is committed, so that a kill between the two loses nothing.
			contract.Say(map[string]any{"event": "record", "record": describe(message)})
			session.MarkMessage(message, "")
			session.Commit()
		case <-session.Context().Done():
			return nil
		}
	}
}

func (p program) member(ctx context.Context, arguments contract.Arguments) (any, error) {
	group, err := p.group(arguments)
	if err != nil {
		return nil, err
	}
	defer group.Close()
	consuming, stop := context.WithCancel(ctx)
	go func() {
		<-contract.Stopped()
		stop()
	}()
	for consuming.Err() == nil {
		if err := group.Consume(consuming, []string{arguments.Topic}, member{}); err != nil {
			return nil, err
		}
	}
	return []any{}, nil
}

func (p program) read(ctx context.Context, arguments contract.Arguments) (any, error) {
	client, err := sarama.NewClient(p.bootstrapServers, settings())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	partitions, err := arguments.PartitionList()
	if err != nil {
		return nil, err
	}
	messages := make(chan *sarama.ConsumerMessage)
	failures := make(chan error, len(partitions))
	reading, stop := context.WithCancel(ctx)
	defer stop()
	for _, partition := range partitions {
		start, err := startOffset(client, arguments, partition)
		if err != nil {
			return nil, err
		}
		claim, err := consumer.ConsumePartition(arguments.Topic, partition, start)
		if err != nil {
			return nil, err
		}
		defer claim.AsyncClose()
		go forward(reading, claim, messages, failures)
	}
	records := []contract.Record{}
	for len(records) < arguments.Count {
		select {
		case message := <-messages:
			records = append(records, describe(message))
		case err := <-failures:
			return nil, err
		case <-ctx.Done():
			return nil, fmt.Errorf("read %d records of %d", len(records), arguments.Count)
		}
	}
	return records, nil
}

func startOffset(
	client sarama.Client, arguments contract.Arguments, partition int32,
) (int64, error) {
	if arguments.Start.Offset != nil {
		return *arguments.Start.Offset, nil
	}
	if arguments.Start.Timestamp == nil {
		return sarama.OffsetOldest, nil
	}
	offset, err := client.GetOffset(arguments.Topic, partition, *arguments.Start.Timestamp)
	if offset == -1 && err == nil {
		return sarama.OffsetNewest, nil
	}
	return offset, err
}

func forward(
	ctx context.Context, claim sarama.PartitionConsumer,
	messages chan<- *sarama.ConsumerMessage, failures chan<- error,
) {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				failures <- errors.New("sarama closed the partition")
				return
			}
			select {
			case messages <- message:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func describe(message *sarama.ConsumerMessage) contract.Record {
	described := contract.Record{
		Partition: &message.Partition,
		Offset:    message.Offset,
		Timestamp: message.Timestamp.UnixMilli(),
		Key:       contract.Text(message.Key),
		Value:     contract.Text(message.Value),
		Headers:   []contract.Header{},
	}
	for _, header := range message.Headers {
		pair := contract.Header{contract.Text(header.Key), contract.Text(header.Value)}
		described.Headers = append(described.Headers, pair)
	}
	return described
}
