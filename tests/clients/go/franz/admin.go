package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"fakebus/tests/clients/contract"
)

func timeOf(milliseconds int64) time.Time { return time.UnixMilli(milliseconds) }

func (p program) createTopic(ctx context.Context, arguments contract.Arguments) (any, error) {
	count, err := arguments.PartitionCount()
	if err != nil {
		return nil, err
	}
	created, err := p.admin.CreateTopic(ctx, count, -1, arguments.Configs, arguments.Topic)
	if err != nil {
		return nil, err
	}
	configs := map[string]contract.Config{}
	for _, config := range created.Configs {
		configs[config.Key] = describeConfig(config)
	}
	return map[string]any{
		"topic_id":   hex.EncodeToString(created.ID[:]),
		"partitions": created.NumPartitions,
		"configs":    configs,
	}, nil
}

func (p program) describeTopic(ctx context.Context, arguments contract.Arguments) (any, error) {
	metadata, err := p.admin.Metadata(ctx, arguments.Topic)
	if err != nil {
		return nil, err
	}
	topic := metadata.Topics[arguments.Topic]
	id := hex.EncodeToString(topic.ID[:])
	return map[string]any{"topic_id": id, "partitions": len(topic.Partitions)}, topic.Err
}

func (p program) listTopics(ctx context.Context, _ contract.Arguments) (any, error) {
	topics, err := p.admin.ListTopics(ctx)
	return topics.Names(), err
}

func (p program) deleteTopic(ctx context.Context, arguments contract.Arguments) (any, error) {
	deleted, err := p.admin.DeleteTopic(ctx, arguments.Topic)
	if err != nil {
		return nil, err
	}
	return []any{}, deleted.Err
}

func (p program) createPartitions(ctx context.Context, arguments contract.Arguments) (any, error) {
	created, err := p.admin.UpdatePartitions(ctx, arguments.Count, arguments.Topic)
	if err != nil {
		return nil, err
	}
	return []any{}, created.Error()
}

func brokerOf(arguments contract.Arguments) (int32, error) {
	id, err := strconv.ParseInt(*arguments.Broker, 10, 32)
	return int32(id), err
}

func (p program) describeConfigs(ctx context.Context, arguments contract.Arguments) (any, error) {
	var found kadm.ResourceConfigs
	var err error
	if arguments.Broker != nil {
		id, parseErr := brokerOf(arguments)
		if parseErr != nil {
			return nil, parseErr
		}
		found, err = p.admin.DescribeBrokerConfigs(ctx, id)
	} else {
		found, err = p.admin.DescribeTopicConfigs(ctx, arguments.Topic)
	}
	if err != nil {
		return nil, err
	}
	configs := map[string]contract.Config{}
	for _, resource := range found {
		if resource.Err != nil {
			return nil, resource.Err
		}
		for _, config := range resource.Configs {
			configs[config.Key] = describeConfig(config)
		}
	}
	return configs, nil
}

func describeConfig(config kadm.Config) contract.Config {
	isDefault := config.Source == kmsg.ConfigSourceDefaultConfig
	return contract.Config{Value: config.Value, Default: isDefault, Sensitive: config.Sensitive}
}

func (p program) alterConfigs(ctx context.Context, arguments contract.Arguments) (any, error) {
	var changes []kadm.AlterConfig
	for name, value := range arguments.Set {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: value})
	}
	for _, name := range arguments.Delete {
		changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: name})
	}
	var altered kadm.AlterConfigsResponses
	var err error
	if arguments.Broker != nil {
		id, parseErr := brokerOf(arguments)
		if parseErr != nil {
			return nil, parseErr
		}
		altered, err = p.admin.AlterBrokerConfigs(ctx, changes, id)
	} else {
		altered, err = p.admin.AlterTopicConfigs(ctx, changes, arguments.Topic)
	}
	if err != nil {
		return nil, err
	}
	return []any{}, altered[0].Err
}

func (p program) describeCluster(ctx context.Context, _ contract.Arguments) (any, error) {
	metadata, err := p.admin.BrokerMetadata(ctx)
	if err != nil {
		return nil, err
	}
	brokers := []map[string]any{}
	for _, broker := range metadata.Brokers {
		address := fmt.Sprintf("%s:%d", broker.Host, broker.Port)
		brokers = append(brokers, map[string]any{"id": broker.NodeID, "address": address})
	}
	return map[string]any{
		"cluster_id": metadata.Cluster,
		"controller": metadata.Controller,
		"brokers":    brokers,
	}, nil
}

func (p program) offsets(ctx context.Context, arguments contract.Arguments) (any, error) {
	partitions, err := arguments.PartitionList()
	if err != nil {
		return nil, err
	}
	var found kadm.ListedOffsets
	switch at := arguments.At.(type) {
	case float64:
		// kadm's own method answers the end offset where there is no such record.
		found, err = p.admin.ListOffsetsAfterMilli(ctx, int64(at), arguments.Topic)
	default:
		list := map[any]func(context.Context, ...string) (kadm.ListedOffsets, error){
			"earliest":      p.admin.ListStartOffsets,
			"latest":        p.admin.ListEndOffsets,
			"max_timestamp": p.admin.ListMaxTimestampOffsets,
		}[at]
		found, err = list(ctx, arguments.Topic)
	}
	if err != nil {
		return nil, err
	}
	listed := []contract.Listed{}
	for _, partition := range partitions {
		offset, ok := found.Lookup(arguments.Topic, partition)
		if !ok {
			return nil, fmt.Errorf("no offset of partition %d was listed", partition)
		}
		if offset.Err != nil {
			return nil, offset.Err
		}
		row := contract.Listed{Partition: partition, Offset: offset.Offset, Timestamp: offset.Timestamp}
		listed = append(listed, row)
	}
	return listed, nil
}

func (p program) deleteRecords(ctx context.Context, arguments contract.Arguments) (any, error) {
	var before kadm.Offsets
	before.AddOffset(arguments.Topic, arguments.Partition, arguments.Before, -1)
	deleted, err := p.admin.DeleteRecords(ctx, before)
	if err != nil {
		return nil, err
	}
	answer := deleted[arguments.Topic][arguments.Partition]
	return map[string]any{"low_watermark": answer.LowWatermark}, answer.Err
}

func (p program) listGroups(ctx context.Context, _ contract.Arguments) (any, error) {
	found, err := p.admin.ListGroups(ctx)
	groups := []map[string]any{}
	for _, group := range found.Sorted() {
		groups = append(groups, map[string]any{"group": group.Group, "state": group.State})
	}
	return groups, err
}

func (p program) describeGroup(ctx context.Context, arguments contract.Arguments) (any, error) {
	found, err := p.admin.DescribeGroups(ctx, arguments.Group)
	if err != nil {
		return nil, err
	}
	group := found[arguments.Group]
	members := []contract.Member{}
	for _, member := range group.Members {
		described := contract.Member{ClientID: member.ClientID, Partitions: []int32{}}
		if assigned, ok := member.Assigned.AsConsumer(); ok {
			for _, topic := range assigned.Topics {
				described.Partitions = append(described.Partitions, topic.Partitions...)
			}
		}
		members = append(members, described)
	}
	return map[string]any{
		"state": group.State, "assignor": group.Protocol, "members": members,
	}, group.Err
}

func (p program) committed(ctx context.Context, arguments contract.Arguments) (any, error) {
	found, err := p.admin.FetchOffsets(ctx, arguments.Group)
	if err != nil {
		return nil, err
	}
	offsets := []contract.Committed{}
	for partition, offset := range found[arguments.Topic] {
		if offset.Err != nil {
			return nil, offset.Err
		}
		row := contract.Committed{Partition: partition, Offset: offset.At, Metadata: offset.Metadata}
		offsets = append(offsets, row)
	}
	return offsets, nil
}

func (p program) alterOffsets(ctx context.Context, arguments contract.Arguments) (any, error) {
	var offsets kadm.Offsets
	for _, row := range arguments.Offsets {
		offsets.Add(kadm.Offset{
			Topic: arguments.Topic, Partition: row.Partition,
			At: row.Offset, LeaderEpoch: -1, Metadata: row.Metadata,
		})
	}
	return []any{}, p.admin.CommitAllOffsets(ctx, arguments.Group, offsets)
}

func (p program) deleteOffsets(ctx context.Context, arguments contract.Arguments) (any, error) {
	partitions, err := arguments.PartitionList()
	if err != nil {
		return nil, err
	}
	set := kadm.TopicsSet{}
	set.Add(arguments.Topic, partitions...)
	deleted, err := p.admin.DeleteOffsets(ctx, arguments.Group, set)
	if err != nil {
		return nil, err
	}
	return []any{}, deleted.Error()
}

func (p program) deleteGroup(ctx context.Context, arguments contract.Arguments) (any, error) {
	_, err := p.admin.DeleteGroup(ctx, arguments.Group)
	return []any{}, err
}
