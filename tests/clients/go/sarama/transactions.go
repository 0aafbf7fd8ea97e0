package main

import (
	"context"
	"strings"

	"github.com/IBM/sarama"

	"fakebus/tests/clients/contract"
)

// transact writes each record in a transaction of its own, with an offset; those of records that
// say so are aborted.
func (p program) transact(_ context.Context, arguments contract.Arguments) (any, error) {
	config := settings()
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Transaction.ID = arguments.Group
	config.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer(p.bootstrapServers, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	for n, asked := range arguments.Records {
		if err := producer.BeginTxn(); err != nil {
			return nil, err
		}
		message := &sarama.ProducerMessage{Topic: arguments.Topic, Value: encoder(asked.Value)}
		if _, _, err := producer.SendMessage(message); err != nil {
			return nil, err
		}
		offsets := map[string][]*sarama.PartitionOffsetMetadata{
			arguments.Topic: {{Partition: 0, Offset: int64(n) + 1}},
		}
		if err := producer.AddOffsetsToTxn(offsets, arguments.Group); err != nil {
			return nil, err
		}
		end := producer.CommitTxn
		if strings.HasPrefix(*asked.Value, "aborted") {
			end = producer.AbortTxn
		}
		if err := end(); err != nil {
			return nil, err
		}
	}
	return map[string]any{}, nil
}
