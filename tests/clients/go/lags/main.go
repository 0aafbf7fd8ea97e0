// Command lags tells by what each group lags, from the records of __consumer_offsets alone, as
// tools that watch groups do: lags HOST:PORT writes
// {group: {"members", "topics": {topic: {partition: lag}}}}.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const offsetsTopic = "__consumer_offsets"

// group is what the topic says of a group.
type group struct {
	Members   int                        `json:"members"`
	Topics    map[string]map[int32]int64 `json:"topics"`
	committed map[string]map[int32]int64
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Args[1]),
		kgo.ConsumeTopics(offsetsTopic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	check(err)
	defer client.Close()
	admin := kadm.NewClient(client)
	groups := map[string]*group{}
	for _, record := range read(ctx, client, admin) {
		check(take(groups, record))
	}
	ends, err := admin.ListEndOffsets(ctx)
	check(err)
	for _, each := range groups {
		for topic, partitions := range each.committed {
			each.Topics[topic] = map[int32]int64{}
			for partition, offset := range partitions {
				if end, found := ends.Lookup(topic, partition); found {
					each.Topics[topic][partition] = end.Offset - offset
				}
			}
		}
	}
	check(json.NewEncoder(os.Stdout).Encode(groups))
}

// read returns all records that the topic holds now.
func read(ctx context.Context, client *kgo.Client, admin *kadm.Client) []*kgo.Record {
	ends, err := admin.ListEndOffsets(ctx, offsetsTopic)
	check(err)
	waits := map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		check(end.Err)
		if end.Offset > 0 {
			waits[end.Partition] = end.Offset
		}
	})
	var records []*kgo.Record
	for len(waits) > 0 {
		fetches := client.PollFetches(ctx)
		check(fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) {
			records = append(records, record)
			if record.Offset+1 >= waits[record.Partition] {
				delete(waits, record.Partition)
			}
		})
	}
	return records
}

func take(groups map[string]*group, record *kgo.Record) error {
	of := func(name string) *group {
		if groups[name] == nil {
			groups[name] = &group{
				Topics:    map[string]map[int32]int64{},
				committed: map[string]map[int32]int64{},
			}
		}
		return groups[name]
	}
	switch record.Key[1] {
	case 0, 1:
		key, value := kmsg.NewOffsetCommitKey(), kmsg.NewOffsetCommitValue()
		if err := key.ReadFrom(record.Key); err != nil {
			return err
		}
		topics := of(key.Group).committed
		if record.Value == nil {
			delete(topics[key.Topic], key.Partition)
			return nil
		}
		if topics[key.Topic] == nil {
			topics[key.Topic] = map[int32]int64{}
		}
		err := value.ReadFrom(record.Value)
		topics[key.Topic][key.Partition] = value.Offset
		return err
	case 2:
		key, value := kmsg.NewGroupMetadataKey(), kmsg.NewGroupMetadataValue()
		if err := key.ReadFrom(record.Key); err != nil {
			return err
		}
		if record.Value == nil {
			delete(groups, key.Group)
			return nil
		}
		err := value.ReadFrom(record.Value)
		of(key.Group).Members = len(value.Members)
		return err
	}
	return nil
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
