package main

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/IBM/sarama"

	"fakebus/tests/clients/contract"
)

func failed(code sarama.KError) error {
	if code == sarama.ErrNoError {
		return nil
	}
	return code
}

func (p program) createTopic(_ context.Context, arguments contract.Arguments) (any, error) {
	count, err := arguments.PartitionCount()
	if err != nil {
		return nil, err
	}
	detail := &sarama.TopicDetail{
		NumPartitions: count, ReplicationFactor: -1, ConfigEntries: arguments.Configs,
	}
	return map[string]any{}, p.admin.CreateTopic(arguments.Topic, detail, false)
}

func (p program) describeTopic(_ context.Context, arguments contract.Arguments) (any, error) {
	topics, err := p.admin.DescribeTopics([]string{arguments.Topic})
	if err != nil {
		return nil, err
	}
	id := hex.EncodeToString(topics[0].Uuid[:])
	found := map[string]any{"topic_id": id, "partitions": len(topics[0].Partitions)}
	return found, failed(topics[0].Err)
}

func (p program) listTopics(context.Context, contract.Arguments) (any, error) {
	topics, err := p.admin.ListTopics()
	names := []string{}
	for name := range topics {
		names = append(names, name)
	}
	return names, err
}

func (p program) deleteTopic(_ context.Context, arguments contract.Arguments) (any, error) {
	return []any{}, p.admin.DeleteTopic(arguments.Topic)
}

func (p program) createPartitions(_ context.Context, arguments contract.Arguments) (any, error) {
	count := int32(arguments.Count)
	return []any{}, p.admin.CreatePartitions(arguments.Topic, count, nil, false)
}

func resource(arguments contract.Arguments) (sarama.ConfigResourceType, string) {
	if arguments.Broker != nil {
		return sarama.BrokerResource, *arguments.Broker
	}
	return sarama.TopicResource, arguments.Topic
}

func (p program) describeConfigs(_ context.Context, arguments contract.Arguments) (any, error) {
	kind, name := resource(arguments)
	entries, err := p.admin.DescribeConfig(sarama.ConfigResource{Type: kind, Name: name})
	configs := map[string]contract.Config{}
	for _, entry := range entries {
		configs[entry.Name] = contract.Config{
			Value: &entry.Value, Default: entry.Default, Sensitive: entry.Sensitive,
		}
	}
	return configs, err
}

func (p program) alterConfigs(_ context.Context, arguments contract.Arguments) (any, error) {
	kind, name := resource(arguments)
	changes := map[string]sarama.IncrementalAlterConfigsEntry{}
	for key, value := range arguments.Set {
		changes[key] = sarama.IncrementalAlterConfigsEntry{
			Operation: sarama.IncrementalAlterConfigsOperationSet, Value: value,
		}
	}
	for _, key := range arguments.Delete {
		changes[key] = sarama.IncrementalAlterConfigsEntry{
			Operation: sarama.IncrementalAlterConfigsOperationDelete,
		}
	}
	return []any{}, p.admin.IncrementalAlterConfig(kind, name, changes, false)
}

func (p program) describeCluster(context.Context, contract.Arguments) (any, error) {
	found, controller, err := p.admin.DescribeCluster()
	brokers := []map[string]any{}
	for _, broker := range found {
		brokers = append(brokers, map[string]any{"id": broker.ID(), "address": broker.Addr()})
	}
	return map[string]any{"controller": controller, "brokers": brokers}, err
}

func (p program) offsets(_ context.Context, arguments contract.Arguments) (any, error) {
	partitions, err := arguments.PartitionList()
	if err != nil {
		return nil, err
	}
	var time int64
	switch at := arguments.At.(type) {
	case float64:
		time = int64(at)
	default:
		time = map[any]int64{
			"earliest": sarama.OffsetOldest, "latest": sarama.OffsetNewest, "max_timestamp": -3,
		}[at]
	}
	asked := map[int32]int64{}
	for _, partition := range partitions {
		asked[partition] = time
	}
	found, err := p.admin.ListOffsets(map[string]map[int32]int64{arguments.Topic: asked}, nil)
	if err != nil {
		return nil, err
	}
	listed := []contract.Listed{}
	for _, partition := range partitions {
		answer, ok := found[arguments.Topic][partition]
		if !ok {
			return nil, fmt.Errorf("no offset of partition %d was listed", partition)
		}
		if answer.Err != nil && answer.Err != sarama.ErrNoError {
			return nil, answer.Err
		}
		row := contract.Listed{
			Partition: partition, Offset: answer.Offset, Timestamp: answer.Timestamp,
		}
		listed = append(listed, row)
	}
	return listed, nil
}

func (p program) deleteRecords(_ context.Context, arguments contract.Arguments) (any, error) {
	before := map[int32]int64{arguments.Partition: arguments.Before}
	return map[string]any{}, p.admin.DeleteRecords(arguments.Topic, before)
}

func (p program) listGroups(context.Context, contract.Arguments) (any, error) {
	found, err := p.admin.ListConsumerGroups()
	groups := []map[string]any{}
	for group := range found {
		groups = append(groups, map[string]any{"group": group})
	}
	return groups, err
}

func (p program) describeGroup(_ context.Context, arguments contract.Arguments) (any, error) {
	found, err := p.admin.DescribeConsumerGroups([]string{arguments.Group})
	if err != nil {
		return nil, err
	}
	members := []contract.Member{}
	for _, member := range found[0].Members {
		described := contract.Member{ClientID: member.ClientId, Partitions: []int32{}}
		assigned, err := member.GetMemberAssignment()
		if err != nil {
			return nil, err
		}
		if assigned != nil {
			described.Partitions = append(described.Partitions, assigned.Topics[arguments.Topic]...)
		}
		members = append(members, described)
	}
	return map[string]any{
		"state": found[0].State, "assignor": found[0].Protocol, "members": members,
	}, failed(found[0].Err)
}

func (p program) committed(_ context.Context, arguments contract.Arguments) (any, error) {
	byGroup := map[string]map[string][]int32{arguments.Group: nil}
	found, err := p.admin.ListConsumerGroupOffsetsBatch(byGroup)
	if err != nil {
		return nil, err
	}
	answer := found[arguments.Group]
	if answer == nil {
		return nil, fmt.Errorf("no answer for group %s", arguments.Group)
	}
	offsets := []contract.Committed{}
	for partition, block := range answer.Blocks[arguments.Topic] {
		if block.Err != sarama.ErrNoError {
			return nil, block.Err
		}
		offsets = append(offsets, contract.Committed{
			Partition: partition, Offset: block.Offset, Metadata: block.Metadata,
		})
	}
	return offsets, failed(answer.Err)
}

func (p program) alterOffsets(_ context.Context, arguments contract.Arguments) (any, error) {
	offsets := map[int32]sarama.OffsetAndMetadata{}
	for _, row := range arguments.Offsets {
		offsets[row.Partition] = sarama.OffsetAndMetadata{
			Offset: row.Offset, Metadata: row.Metadata, LeaderEpoch: -1,
		}
	}
	byTopic := map[string]map[int32]sarama.OffsetAndMetadata{arguments.Topic: offsets}
	answer, err := p.admin.AlterConsumerGroupOffsets(arguments.Group, byTopic, nil)
	if err != nil {
		return nil, err
	}
	for _, codes := range answer.Errors {
		for _, code := range codes {
			if code != sarama.ErrNoError {
				return nil, code
			}
		}
	}
	return []any{}, nil
}

func (p program) deleteOffsets(_ context.Context, arguments contract.Arguments) (any, error) {
	partitions, err := arguments.PartitionList()
	if err != nil {
		return nil, err
	}
	for _, partition := range partitions {
		err := p.admin.DeleteConsumerGroupOffset(arguments.Group, arguments.Topic, partition)
		if err != nil {
			return nil, err
		}
	}
	return []any{}, nil
}

func (p program) deleteGroup(_ context.Context, arguments contract.Arguments) (any, error) {
	return []any{}, p.admin.DeleteConsumerGroup(arguments.Group)
}
