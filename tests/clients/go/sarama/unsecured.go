package main

import (
	"context"

	"github.com/IBM/sarama"

	"fakebus/tests/clients/contract"
)

// unsecured asks, in versions that it has not asked for, what a cluster without an authorizer and
// quotas says about them: all by one connection, which has to live through it.
func (p program) unsecured(_ context.Context, arguments contract.Arguments) (any, error) {
	config := settings()
	config.ApiVersionsRequest = false
	config.Version = sarama.V2_8_0_0
	client, err := sarama.NewClient(p.bootstrapServers, config)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	broker, err := client.Controller()
	if err != nil {
		return nil, err
	}
	acl := sarama.Acl{
		Principal: "User:alice", Host: "*",
		Operation: sarama.AclOperationRead, PermissionType: sarama.AclPermissionAllow,
	}
	resource := sarama.Resource{
		ResourceType: sarama.AclResourceTopic, ResourceName: arguments.Topic,
		ResourcePatternType: sarama.AclPatternLiteral,
	}
	filter := sarama.AclFilter{
		Version: 1, ResourceType: sarama.AclResourceTopic, ResourceName: &arguments.Topic,
		ResourcePatternTypeFilter: sarama.AclPatternLiteral,
		Operation:                 sarama.AclOperationAny, PermissionType: sarama.AclPermissionAny,
	}
	created, err := broker.CreateAcls(&sarama.CreateAclsRequest{
		Version:      1,
		AclCreations: []*sarama.AclCreation{{Resource: resource, Acl: acl}, {Resource: resource, Acl: acl}},
	})
	if created == nil {
		return nil, err // else it tells the refusals that the response holds
	}
	listed, err := broker.DescribeAcls(&sarama.DescribeAclsRequest{Version: 1, AclFilter: filter})
	if err != nil {
		return nil, err
	}
	deleted, err := broker.DeleteAcls(&sarama.DeleteAclsRequest{
		Version: 1, Filters: []*sarama.AclFilter{&filter},
	})
	if err != nil {
		return nil, err
	}
	quotas, err := broker.DescribeClientQuotas(&sarama.DescribeClientQuotasRequest{})
	if err != nil {
		return nil, err
	}
	users, err := broker.DescribeUserScramCredentials(&sarama.DescribeUserScramCredentialsRequest{
		DescribeUsers: []sarama.DescribeUserScramCredentialsRequestUser{{Name: "alice"}},
	})
	if err != nil {
		return nil, err
	}
	errors := []sarama.KError{}
	for _, creation := range created.AclCreationResponses {
		errors = append(errors, creation.Err)
	}
	connected, err := broker.Connected()
	return map[string]any{
		"created": errors, "listed": listed.Err, "deleted": deleted.FilterResponses[0].Err,
		"quotas": len(quotas.Entries), "quotas_error": quotas.ErrorCode,
		"user": users.Results[0].ErrorCode, "connected": connected,
	}, err
}
