// Looks through the folder that is named on the command line, as EventCatalog's own linter does.
await import(new URL('./node_modules/@eventcatalog/linter/dist/cli/index.js', import.meta.url))
