package dev

// New makes a dev, and starts nothing. An error is a *ConfigError.
func New(config Config) (*Dev, error) {
	c := &config
	if err := c.check(); err != nil {
		return nil, err
	}
	c.setDefaults()

	// Parts start from top to bottom, and stop from bottom to top. Each may use what is
	// above it.
	d := &Dev{}
	lock := add(d, &lock{c: c})
	api := add(d, &apiID{c: c})
	listener := add(d, &listener{c: c})
	app := add(d, &resolution{c: c, api: api, listener: listener})
	trust := add(d, &trust{c: c, listener: listener})
	store := add(d, &store{c: c})
	control := add(d, &controlServer{c: c, listener: listener, store: store})
	credentials := add(d, &credentials{c: c, listener: listener})
	handler := add(d, &handler{c: c, listener: listener, store: store, credentials: credentials})
	lambda := add(d, &lambdaEndpoint{c: c})
	env := add(d, &functionEnv{c: c, listener: listener, app: app, trust: trust, control: control, credentials: credentials, lambda: lambda})
	tables := add(d, &tables{c: c, app: app, store: store})
	site := add(d, &site{c: c})
	functions := add(d, &functions{c: c, env: env, tables: tables, calls: &awsCalls{c: c, api: api, listener: listener}})
	apps := add(d, &appFunctions{c: c, app: app, functions: functions})
	invocations := add(d, &invocations{c: c, app: app, functions: functions, apps: apps, credentials: credentials, lambda: lambda})
	routes := add(d, &routes{c: c, app: app, handler: handler, functions: functions, apps: apps, invocations: invocations})
	add(d, &watcher{c: c, functions: functions})
	gateway := add(d, &gatewayServer{c: c, api: api, listener: listener, trust: trust, credentials: credentials, routes: routes, site: site, invocations: invocations})
	add(d, &stageRecord{c: c, lock: lock, api: api, listener: listener, store: store})
	add(d, &controlRun{c: c, api: api, listener: listener, lambda: lambda, control: control, invocations: invocations, gateway: gateway})
	add(d, &presenceSweep{c: c, store: store, credentials: credentials})
	add(d, &inspection{c: c, listener: listener, store: store, control: control, credentials: credentials, handler: handler, gateway: gateway})
	d.serving = add(d, &serving{c: c, listener: listener, store: store, handler: handler, site: site, gateway: gateway})
	return d, nil
}

func add[P part](d *Dev, p P) P {
	d.parts = append(d.parts, p)
	return p
}
