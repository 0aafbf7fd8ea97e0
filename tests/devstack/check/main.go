// Command check reads docker-compose.yml and Dockerfile with the libraries that Docker itself
// reads them with, and prints what they mean as JSON. It exits with 1 when either is not valid.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

type result struct {
	Compose    any      `json:"compose"`
	Dockerfile []string `json:"dockerfile"`
	Warnings   []string `json:"warnings"`
}

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: check docker-compose.yml Dockerfile"))
	}
	options, err := cli.NewProjectOptions([]string{os.Args[1]}, cli.WithName("fakebus"))
	if err != nil {
		fail(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		fail(err)
	}
	found := result{Compose: project}
	file, err := os.Open(os.Args[2])
	if err != nil {
		fail(err)
	}
	defer file.Close()
	tree, err := parser.Parse(file)
	if err != nil {
		fail(err)
	}
	for _, warning := range tree.Warnings {
		found.Warnings = append(found.Warnings, warning.Short)
	}
	lint := linter.New(&linter.Config{
		Warn: func(rule, description, url, message string, _ []parser.Range) {
			found.Warnings = append(found.Warnings, rule+": "+message)
		},
	})
	stages, _, err := instructions.Parse(tree.AST, lint)
	if err != nil {
		fail(err)
	}
	for _, stage := range stages {
		found.Dockerfile = append(found.Dockerfile, "FROM "+stage.BaseName)
		for _, command := range stage.Commands {
			found.Dockerfile = append(found.Dockerfile, command.Name()+" "+fmt.Sprint(command))
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(found); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
