package main

import (
	"context"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"fakebus/tests/clients/contract"
)

// transact writes each record in a transaction of its own; those that say so are aborted.
func (p program) transact(ctx context.Context, arguments contract.Arguments) (any, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(p.bootstrapServers),
		kgo.DefaultProduceTopic(arguments.Topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(arguments.Group),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	for _, asked := range arguments.Records {
		if err := client.BeginTransaction(); err != nil {
			return nil, err
		}
		record := &kgo.Record{Value: contract.Bytes(asked.Value)}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return nil, err
		}
		end := kgo.TryCommit
		if strings.HasPrefix(*asked.Value, "aborted") {
			end = kgo.TryAbort
		}
		if err := client.EndTransaction(ctx, end); err != nil {
			return nil, err
		}
	}
	return map[string]any{}, nil
}
