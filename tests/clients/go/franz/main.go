// Command franz drives a broker with franz-go: franz HOST:PORT, commands on standard input.
package main

import (
	"errors"
	"os"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"fakebus/tests/clients/contract"
)

type program struct {
	bootstrapServers string
	admin            *kadm.Client
}

func main() {
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	p := program{bootstrapServers: os.Args[1], admin: kadm.NewClient(client)}
	contract.Serve(map[string]contract.Command{
		"produce":           p.produce,
		"share":             p.share,
		"transact":          p.transact,
		"consume":           p.consume,
		"member":            p.member,
		"read":              p.read,
		"create_topic":      p.createTopic,
		"describe_topic":    p.describeTopic,
		"list_topics":       p.listTopics,
		"delete_topic":      p.deleteTopic,
		"create_partitions": p.createPartitions,
		"describe_configs":  p.describeConfigs,
		"alter_configs":     p.alterConfigs,
		"describe_cluster":  p.describeCluster,
		"offsets":           p.offsets,
		"delete_records":    p.deleteRecords,
		"list_groups":       p.listGroups,
		"describe_group":    p.describeGroup,
		"committed":         p.committed,
		"alter_offsets":     p.alterOffsets,
		"delete_offsets":    p.deleteOffsets,
		"delete_group":      p.deleteGroup,
	}, codeOf)
}

func codeOf(err error) int {
	var kafka *kerr.Error
	if errors.As(err, &kafka) {
		return int(kafka.Code)
	}
	return 0
}
