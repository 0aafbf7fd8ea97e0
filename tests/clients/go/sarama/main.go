// Command sarama drives a broker with sarama: sarama HOST:PORT, commands on standard input.
package main

import (
	"errors"
	"io"
	"log"
	"os"

	"github.com/IBM/sarama"

	"fakebus/tests/clients/contract"
)

type program struct {
	bootstrapServers []string
	admin            sarama.ClusterAdmin
}

func main() {
	log.SetOutput(io.Discard)
	servers := os.Args[1:2]
	admin, err := sarama.NewClusterAdmin(servers, settings())
	if err != nil {
		panic(err)
	}
	defer admin.Close()
	p := program{bootstrapServers: servers, admin: admin}
	contract.Serve(map[string]contract.Command{
		"produce":           p.produce,
		"transact": p.transact,
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
		"unsecured":         p.unsecured,
	}, codeOf)
}

// settings ask for the newest versions that sarama knows, and for exactly-once appends.
func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Net.MaxOpenRequests = 1
	config.Metadata.AllowAutoTopicCreation = false
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.MaxMessageBytes = 16 << 20
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	return config
}

func codeOf(err error) int {
	// The codes of a multiple error hide behind a join, which errors.As walks.
	var code sarama.KError
	if errors.As(err, &code) {
		return int(code)
	}
	return 0
}
