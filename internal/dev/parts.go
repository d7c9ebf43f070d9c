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
	calls := &awsCalls{c: c, api: api, listener: listener}
	interception := add(d, &interception{c: c, calls: calls})
	port := add(d, &servicePort{c: c})
	http := add(d, &httpListeners{c: c, listener: listener})
	app := add(d, &resolution{c: c, api: api, listener: listener, port: port, http: http})
	trust := add(d, &trust{c: c, listener: listener})
	store := add(d, &store{c: c})
	control := add(d, &controlServer{c: c, listener: listener, store: store})
	credentials := add(d, &credentials{c: c, listener: listener})
	handler := add(d, &handler{c: c, listener: listener, store: store, credentials: credentials, api: api})
	lambda := add(d, &lambdaEndpoint{c: c})
	engines := add(d, &engines{c: c, app: app, port: port, credentials: credentials, interception: interception})
	env := add(d, &functionEnv{c: c, listener: listener, trust: trust, control: control, credentials: credentials, lambda: lambda, engines: engines, interception: interception})
	tables := add(d, &tables{c: c, app: app, store: store, engines: engines})
	add(d, &queues{c: c, app: app, engines: engines})
	site := add(d, &site{c: c})
	functions := add(d, &functions{c: c, env: env, tables: tables, calls: calls, interception: interception})
	apps := add(d, &appFunctions{c: c, app: app, functions: functions})
	invocations := add(d, &invocations{c: c, app: app, functions: functions, apps: apps, credentials: credentials, lambda: lambda, interception: interception})
	names := &executeAPI{c: c, api: api, calls: calls, http: http, ready: make(chan struct{}), complete: make(chan struct{})}
	add(d, &arrivals{c: c, interception: interception, engines: engines, invocations: invocations, api: names, calls: calls})
	routes := add(d, &routes{c: c, app: app, handler: handler, functions: functions, apps: apps, invocations: invocations, engines: engines})
	add(d, &watcher{c: c, functions: functions})
	gateway := add(d, &gatewayServer{c: c, api: api, listener: listener, trust: trust, credentials: credentials, routes: routes, site: site, invocations: invocations, names: names})
	add(d, &stageRecord{c: c, lock: lock, api: api, listener: listener, store: store})
	add(d, &controlRun{c: c, api: api, listener: listener, lambda: lambda, control: control, invocations: invocations, gateway: gateway})
	add(d, &presenceSweep{c: c, store: store, credentials: credentials})
	add(d, &inspection{c: c, listener: listener, store: store, control: control, credentials: credentials, handler: handler, gateway: gateway})
	add(d, &httpAPIs{c: c, app: app, listeners: http, function: invocations.http, invocations: invocations, names: names})
	d.serving = add(d, &serving{c: c, listener: listener, store: store, handler: handler, site: site, gateway: gateway})
	add(d, &sources{c: c, app: app, engine: engines.sourceURL, queueURL: engines.queueURL, function: invocations.source})
	return d, nil
}

func add[P part](d *Dev, p P) P {
	d.parts = append(d.parts, p)
	return p
}
