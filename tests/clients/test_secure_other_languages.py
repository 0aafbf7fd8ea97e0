"""What `fakebus up --secure` prints for clients in other languages, put into programs as it is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakebus.addresses import Address, KafkaAddress
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from tests.clients.build import CLIENTS_DIRECTORY, find_tool, node_command
from tests.unit.kafka.test_oauth import unsecured

pytestmark = pytest.mark.clients

KAFKAJS = """
const { Kafka, logLevel } = require("kafkajs");
(async () => {
  const admin = new Kafka({ ...config, logLevel: logLevel.ERROR }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "kafkajs" }] });
  console.log((await admin.listTopics()).includes("kafkajs"));
  await admin.disconnect();
})();
"""
GO = """
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func franz() error {
FRANZ
	client, err := kgo.NewClient(append(options, kgo.AllowAutoTopicCreation())...)
	if err != nil {
		return err
	}
	defer client.Close()
	record := &kgo.Record{Topic: "go", Value: []byte("x")}
	return client.ProduceSync(context.Background(), record).FirstErr()
}

func viaSarama() ([]int32, error) {
SARAMA
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Partitions("go")
}

func main() {
	fmt.Println(franz())
	fmt.Println(viaSarama())
}
"""


GO_WITH_TOKEN = """
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
)

type token string

func (t token) Token() (*sarama.AccessToken, error) {
	return &sarama.AccessToken{Token: string(t)}, nil
}

func franz(servers, shown string) error {
	mechanism := oauth.Auth{Token: shown}.AsMechanism()
	client, err := kgo.NewClient(kgo.SeedBrokers(servers), kgo.SASL(mechanism))
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Ping(context.Background())
}

func viaSarama(servers, shown string) error {
	config := sarama.NewConfig()
	config.Net.SASL.Enable = true
	config.Net.SASL.Mechanism = sarama.SASLTypeOAuth
	config.Net.SASL.TokenProvider = token(shown)
	client, err := sarama.NewClient([]string{servers}, config)
	if err != nil {
		return err
	}
	return client.Close()
}

func main() {
	for _, shown := range os.Args[2:] {
		fmt.Println(franz(os.Args[1], shown) == nil, viaSarama(os.Args[1], shown) == nil)
	}
}
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    directory = tmp_path_factory.mktemp("secure")
    kafka = (Address("127.0.0.1", 0),)
    with BusThread(FakeBus(Settings(data=None, http=(), kafka=kafka, secure=directory))) as thread:
        assert thread.bus.secure is not None
        yield thread.bus.secure.client_settings(thread.bus.bootstrap_servers)


def output(command: list[str], directory: Path) -> str:
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kafkajs_logs_in(printed: dict[str, str]) -> None:
    node, program = node_command("kafkajs")
    script = printed["kafkajs.js"] + KAFKAJS
    assert output([node, "-e", script], Path(program).parent) == "true\n"


def test_franz_go_and_sarama_log_in(printed: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "main.go"
    program = GO.replace("FRANZ", printed["franz-go.go"]).replace("SARAMA", printed["sarama.go"])
    file.write_text(program)
    go = find_tool("go", "Go")
    assert output([go, "run", str(file)], CLIENTS_DIRECTORY / "go") == "<nil>\n[0] <nil>\n"


def test_franz_go_and_sarama_show_a_token(tmp_path: Path) -> None:
    file = tmp_path / "main.go"
    file.write_text(GO_WITH_TOKEN)
    settings = Settings(
        data=None,
        http=(),
        kafka=(KafkaAddress("127.0.0.1", 0, "SASL_PLAINTEXT"),),
        set={"sasl.enabled.mechanisms": "OAUTHBEARER"},
    )
    with BusThread(FakeBus(settings)) as thread:
        command = [find_tool("go", "Go"), "run", str(file), thread.bus.bootstrap_servers]
        said = output([*command, unsecured(), unsecured(exp=1)], CLIENTS_DIRECTORY / "go")
    assert said == "true true\nfalse false\n"
