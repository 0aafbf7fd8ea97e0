package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"fakebus/tests/clients/contract"
)

const (
	fromDefaults  = 5
	brokerDefault = -1
	patience      = 5 * time.Second
	metadataAge   = 100 * time.Millisecond
)

func (p program) topic(ctx context.Context, name string) (kafka.Topic, error) {
	answer, err := p.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}})
	if err != nil {
		return kafka.Topic{}, err
	}
	return answer.Topics[0], answer.Topics[0].Error
}

// awaitTopic gives Kafka the time it takes to tell its broker of a topic; the other clients wait
// by themselves.
func (p program) awaitTopic(ctx context.Context, name string) error {
	until := time.Now().Add(patience)
	for {
		_, err := p.topic(ctx, name)
		if !errors.Is(err, kafka.UnknownTopicOrPartition) || time.Now().After(until) {
			return err
		}
		time.Sleep(metadataAge)
	}
}

func (p program) createTopic(ctx context.Context, arguments contract.Arguments) (any, error) {
	count, err := arguments.PartitionCount()
	if err != nil {
		return nil, err
	}
	topic := kafka.TopicConfig{
		Topic: arguments.Topic, NumPartitions: int(count), ReplicationFactor: brokerDefault,
	}
	for name, value := range arguments.Configs {
		entry := kafka.ConfigEntry{ConfigName: name, ConfigValue: *value}
		topic.ConfigEntries = append(topic.ConfigEntries, entry)
	}
	answer, err := p.client.CreateTopics(
		ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}},
	)
	if err != nil {
		return nil, err
	}
	return map[string]any{}, answer.Errors[arguments.Topic]
}

func (p program) describeTopic(ctx context.Context, arguments contract.Arguments) (any, error) {
	topic, err := p.topic(ctx, arguments.Topic)
	return map[string]any{"partitions": len(topic.Partitions)}, err
}

func (p program) listTopics(ctx context.Context, _ contract.Arguments) (any, error) {
	answer, err := p.client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, topic := range answer.Topics {
		names = append(names, topic.Name)
	}
	return names, nil
}

func (p program) deleteTopic(ctx context.Context, arguments contract.Arguments) (any, error) {
	answer, err := p.client.DeleteTopics(
		ctx, &kafka.DeleteTopicsRequest{Topics: []string{arguments.Topic}},
	)
	if err != nil {
		return nil, err
	}
	return []any{}, answer.Errors[arguments.Topic]
}

func (p program) createPartitions(ctx context.Context, arguments contract.Arguments) (any, error) {
	wanted := kafka.TopicPartitionsConfig{Name: arguments.Topic, Count: int32(arguments.Count)}
	answer, err := p.client.CreatePartitions(
		ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{wanted}},
	)
	if err != nil {
		return nil, err
	}
	return []any{}, answer.Errors[arguments.Topic]
}

func resource(arguments contract.Arguments) (kafka.ResourceType, string) {
	if arguments.Broker != nil {
		return kafka.ResourceTypeBroker, *arguments.Broker
	}
	return kafka.ResourceTypeTopic, arguments.Topic
}

func (p program) describeConfigs(ctx context.Context, arguments contract.Arguments) (any, error) {
	kind, name := resource(arguments)
	asked := kafka.DescribeConfigRequestResource{ResourceType: kind, ResourceName: name}
	answer, err := p.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{asked},
	})
	if err != nil {
		return nil, err
	}
	configs := map[string]contract.Config{}
	for _, entry := range answer.Resources[0].ConfigEntries {
		configs[entry.ConfigName] = contract.Config{
			Value:     &entry.ConfigValue,
			Default:   entry.ConfigSource == fromDefaults,
			Sensitive: entry.IsSensitive,
		}
	}
	return configs, answer.Resources[0].Error
}

func (p program) alterConfigs(ctx context.Context, arguments contract.Arguments) (any, error) {
	kind, name := resource(arguments)
	wanted := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kind, ResourceName: name}
	for key, value := range arguments.Set {
		wanted.Configs = append(wanted.Configs, kafka.IncrementalAlterConfigsRequestConfig{
			Name: key, Value: *value, ConfigOperation: kafka.ConfigOperationSet,
		})
	}
	for _, key := range arguments.Delete {
		wanted.Configs = append(wanted.Configs, kafka.IncrementalAlterConfigsRequestConfig{
			Name: key, ConfigOperation: kafka.ConfigOperationDelete,
		})
	}
	answer, err := p.client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{wanted},
	})
	if err != nil {
		return nil, err
	}
	return []any{}, answer.Resources[0].Error
}

func (p program) describeCluster(ctx context.Context, _ contract.Arguments) (any, error) {
	answer, err := p.client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	brokers := []map[string]any{}
	for _, broker := range answer.Brokers {
		address := fmt.Sprintf("%s:%d", broker.Host, broker.Port)
		brokers = append(brokers, map[string]any{"id": broker.ID, "address": address})
	}
	return map[string]any{
		"cluster_id": answer.ClusterID, "controller": answer.Controller.ID, "brokers": brokers,
	}, nil
}

func partitionsOf(arguments contract.Arguments) ([]int, error) {
	numbers, err := arguments.PartitionList()
	partitions := make([]int, len(numbers))
	for i, number := range numbers {
		partitions[i] = int(number)
	}
	return partitions, err
}

// list asks for offsets at a time, or at the places that negative times stand for.
func (p program) list(
	ctx context.Context, topic string, partitions []int, at int64,
) ([]contract.Listed, error) {
	asked := make([]kafka.OffsetRequest, len(partitions))
	for i, partition := range partitions {
		asked[i] = kafka.OffsetRequest{Partition: partition, Timestamp: at}
	}
	answer, err := p.client.ListOffsets(
		ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: asked}},
	)
	if err != nil {
		return nil, err
	}
	listed := make([]contract.Listed, len(partitions))
	for _, found := range answer.Topics[topic] {
		if found.Error != nil {
			return nil, found.Error
		}
		for i, partition := range partitions {
			if partition == found.Partition {
				listed[i] = contract.Listed{Partition: int32(partition), Offset: offsetOf(found, at)}
			}
		}
	}
	return listed, nil
}

func offsetOf(found kafka.PartitionOffsets, at int64) int64 {
	switch at {
	case kafka.FirstOffset:
		return found.FirstOffset
	case kafka.LastOffset:
		return found.LastOffset
	}
	for offset := range found.Offsets {
		return offset
	}
	return -1
}

func (p program) offsets(ctx context.Context, arguments contract.Arguments) (any, error) {
	partitions, err := partitionsOf(arguments)
	if err != nil {
		return nil, err
	}
	at, isTime := arguments.At.(float64)
	if !isTime {
		places := map[any]int64{"earliest": kafka.FirstOffset, "latest": kafka.LastOffset}
		at = float64(places[arguments.At])
	}
	return p.list(ctx, arguments.Topic, partitions, int64(at))
}

func (p program) committed(ctx context.Context, arguments contract.Arguments) (any, error) {
	answer, err := p.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: arguments.Group})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return nil, err
	}
	offsets := []contract.Committed{}
	for _, found := range answer.Topics[arguments.Topic] {
		if found.Error != nil {
			return nil, found.Error
		}
		offsets = append(offsets, contract.Committed{
			Partition: int32(found.Partition),
			Offset:    found.CommittedOffset,
			Metadata:  found.Metadata,
		})
	}
	return offsets, nil
}

func (p program) alterOffsets(ctx context.Context, arguments contract.Arguments) (any, error) {
	offsets := make([]kafka.OffsetCommit, len(arguments.Offsets))
	for i, row := range arguments.Offsets {
		offsets[i] = kafka.OffsetCommit{
			Partition: int(row.Partition), Offset: row.Offset, Metadata: row.Metadata,
		}
	}
	answer, err := p.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: arguments.Group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{arguments.Topic: offsets},
	})
	if err != nil {
		return nil, err
	}
	for _, answered := range answer.Topics[arguments.Topic] {
		if answered.Error != nil {
			return nil, answered.Error
		}
	}
	return []any{}, nil
}

func (p program) deleteOffsets(ctx context.Context, arguments contract.Arguments) (any, error) {
	partitions, err := partitionsOf(arguments)
	if err != nil {
		return nil, err
	}
	answer, err := p.client.OffsetDelete(ctx, &kafka.OffsetDeleteRequest{
		GroupID: arguments.Group, Topics: map[string][]int{arguments.Topic: partitions},
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return nil, err
	}
	for _, answered := range answer.Topics[arguments.Topic] {
		if answered.Error != nil {
			return nil, answered.Error
		}
	}
	return []any{}, nil
}
