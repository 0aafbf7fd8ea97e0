// Command registry drives a schema registry with franz-go: registry URL HOST:PORT, commands on
// standard input.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"fakebus/tests/clients/contract"
)

type program struct {
	registryURL      string
	bootstrapServers string
}

// value is what a record holds, whatever its schema.
type value map[string]any

func main() {
	p := program{registryURL: os.Args[1], bootstrapServers: os.Args[2]}
	contract.Serve(map[string]contract.Command{
		"register": p.register,
		"write":    p.write,
		"read":     p.read,
	}, codeOf)
}

func codeOf(err error) int {
	var refused *sr.ResponseError
	if errors.As(err, &refused) {
		return refused.ErrorCode
	}
	return 0
}

func (p program) client() (*sr.Client, error) { return sr.NewClient(sr.URLs(p.registryURL)) }

func (p program) register(ctx context.Context, arguments contract.Arguments) (any, error) {
	client, err := p.client()
	if err != nil {
		return nil, err
	}
	schema := sr.Schema{Schema: arguments.Schema, References: arguments.References}
	if err := schema.Type.UnmarshalText([]byte(arguments.Type)); err != nil {
		return nil, err
	}
	created, err := client.CreateSchema(ctx, arguments.Subject, schema)
	return map[string]int{"id": created.ID}, err
}

// parse returns an Avro schema after those that it refers to.
func parse(ctx context.Context, client *sr.Client, schema sr.Schema) (*avro.Schema, error) {
	cache := new(avro.SchemaCache)
	if err := parseReferences(ctx, client, cache, schema); err != nil {
		return nil, err
	}
	return cache.Parse(schema.Schema)
}

func parseReferences(ctx context.Context, client *sr.Client, cache *avro.SchemaCache, schema sr.Schema) error {
	for _, reference := range schema.References {
		found, err := client.SchemaByVersion(ctx, reference.Subject, reference.Version)
		if err != nil {
			return err
		}
		if err := parseReferences(ctx, client, cache, found.Schema); err != nil {
			return err
		}
		if _, err := cache.Parse(found.Schema.Schema); err != nil {
			return err
		}
	}
	return nil
}

// firstMessage returns the type of the first message in a Protobuf schema.
func firstMessage(ctx context.Context, client *sr.Client, id int) (protoreflect.MessageDescriptor, error) {
	schema, err := client.SchemaByID(sr.WithParams(ctx, sr.Format("serialized")), id)
	if err != nil {
		return nil, err
	}
	serialized, err := base64.StdEncoding.DecodeString(schema.Schema)
	if err != nil {
		return nil, err
	}
	var file descriptorpb.FileDescriptorProto
	if err := proto.Unmarshal(serialized, &file); err != nil {
		return nil, err
	}
	made, err := protodesc.NewFile(&file, nil)
	if err != nil {
		return nil, err
	}
	return made.Messages().Get(0), nil
}

// protobufSerde takes and gives the message as JSON has it.
func protobufSerde(ctx context.Context, client *sr.Client, id int) (*sr.Serde, error) {
	message, err := firstMessage(ctx, client, id)
	if err != nil {
		return nil, err
	}
	encode := func(v any) ([]byte, error) {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		made := dynamicpb.NewMessage(message)
		if err := protojson.Unmarshal(text, made); err != nil {
			return nil, err
		}
		return proto.Marshal(made)
	}
	decode := func(data []byte, v any) error {
		made := dynamicpb.NewMessage(message)
		if err := proto.Unmarshal(data, made); err != nil {
			return err
		}
		text, err := protojson.Marshal(made)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, v)
	}
	made := sr.NewSerde()
	made.Register(id, value{}, sr.EncodeFn(encode), sr.DecodeFn(decode), sr.Index(0))
	return made, nil
}

// serde knows one schema of the registry; readerText may be empty.
func serde(ctx context.Context, client *sr.Client, id int, schema sr.Schema, readerText string) (*sr.Serde, error) {
	if schema.Type == sr.TypeProtobuf {
		return protobufSerde(ctx, client, id)
	}
	encode, decode := json.Marshal, json.Unmarshal
	if schema.Type == sr.TypeAvro {
		writer, err := parse(ctx, client, schema)
		if err != nil {
			return nil, err
		}
		reading := writer
		if readerText != "" {
			reader, err := avro.Parse(readerText)
			if err != nil {
				return nil, err
			}
			if reading, err = avro.Resolve(writer, reader); err != nil {
				return nil, err
			}
		}
		encode = func(v any) ([]byte, error) { return writer.Encode(map[string]any(v.(value))) }
		decode = func(data []byte, v any) error {
			_, err := reading.Decode(data, (*map[string]any)(v.(*value)))
			return err
		}
	}
	made := sr.NewSerde()
	made.Register(id, value{}, sr.EncodeFn(encode), sr.DecodeFn(decode))
	return made, nil
}

func (p program) write(ctx context.Context, arguments contract.Arguments) (any, error) {
	client, err := p.client()
	if err != nil {
		return nil, err
	}
	latest, err := client.SchemaByVersion(ctx, arguments.Topic+"-value", -1)
	if err != nil {
		return nil, err
	}
	made, err := serde(ctx, client, latest.ID, latest.Schema, "")
	if err != nil {
		return nil, err
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(p.bootstrapServers), kgo.DefaultProduceTopic(arguments.Topic))
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	for _, one := range arguments.Values {
		framed, err := made.Encode(value(one))
		if err != nil {
			return nil, err
		}
		if err := producer.ProduceSync(ctx, &kgo.Record{Value: framed}).FirstErr(); err != nil {
			return nil, err
		}
	}
	return len(arguments.Values), nil
}

func (p program) read(ctx context.Context, arguments contract.Arguments) (any, error) {
	client, err := p.client()
	if err != nil {
		return nil, err
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(p.bootstrapServers), kgo.ConsumeTopics(arguments.Topic))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	var values []value
	for len(values) < arguments.Count {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		for _, record := range fetches.Records() {
			one, err := decode(ctx, client, record.Value, arguments.Schema)
			if err != nil {
				return nil, err
			}
			values = append(values, one)
		}
	}
	return values, nil
}

func decode(ctx context.Context, client *sr.Client, framed []byte, readerText string) (value, error) {
	id, _, err := new(sr.ConfluentHeader).DecodeID(framed)
	if err != nil {
		return nil, err
	}
	schema, err := client.SchemaByID(ctx, id)
	if err != nil {
		return nil, err
	}
	made, err := serde(ctx, client, id, schema, readerText)
	if err != nil {
		return nil, err
	}
	var decoded value
	err = made.Decode(framed, &decoded)
	return decoded, err
}
