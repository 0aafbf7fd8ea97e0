package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"fakebus/tests/clients/contract"
)

var words = map[string]kgo.AckStatus{
	"ACCEPT": kgo.AckAccept, "RELEASE": kgo.AckRelease, "REJECT": kgo.AckReject,
}

// share reads in a share group until there are so many records or the time is over.
func (p program) share(ctx context.Context, arguments contract.Arguments) (any, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(p.bootstrapServers),
		kgo.ConsumeTopics(arguments.Topic),
		kgo.ShareGroup(arguments.Group),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	wait := time.Duration(arguments.WaitMs) * time.Millisecond
	if wait == 0 {
		wait = 15 * time.Second
	}
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	read := []map[string]any{}
	for len(read) < arguments.Count && limited.Err() == nil {
		for _, record := range client.PollFetches(limited).Records() {
			word := arguments.Acknowledge[len(read)%len(arguments.Acknowledge)]
			client.MarkAcks(words[word], record)
			read = append(read, map[string]any{
				"partition": record.Partition, "offset": record.Offset,
				"value": string(record.Value), "deliveries": record.DeliveryCount(),
			})
		}
		if err := client.FlushAcks(ctx); err != nil {
			return nil, err
		}
	}
	return read, nil
}
