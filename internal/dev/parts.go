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
	services := services{}
	app := add(d, &resolution{c: c, api: api, listener: listener})
	trust := add(d, &trust{c: c, listener: listener})
	store := add(d, &store{c: c})
	control := add(d, &controlServer{c: c, listener: listener, store: store})
	credentials := add(d, &credentials{c: c, listener: listener})
	handler := add(d, &handler{c: c, listener: listener, store: store, credentials: credentials})
	env := add(d, &functionEnv{c: c, listener: listener, app: app, trust: trust, control: control, credentials: credentials, interception: interception})
	tables := add(d, &tables{c: c, app: app, store: store})
	site := add(d, &site{c: c})
	names := &executeAPI{c: c, api: api, calls: calls, ready: make(chan struct{})}
	add(d, &arrivals{c: c, interception: interception, services: services, api: names, calls: calls})
	functions := add(d, &functions{c: c, env: env, tables: tables, calls: calls, interception: interception})
	routes := add(d, &routes{c: c, app: app, handler: handler, functions: functions})
	add(d, &watcher{c: c, functions: functions})
	gateway := add(d, &gatewayServer{c: c, api: api, listener: listener, trust: trust, credentials: credentials, routes: routes, site: site, names: names})
	add(d, &stageRecord{c: c, lock: lock, api: api, listener: listener, store: store})
	add(d, &inspection{c: c, listener: listener, store: store, control: control, credentials: credentials, handler: handler, gateway: gateway})
	d.serving = add(d, &serving{c: c, listener: listener, store: store, handler: handler, site: site, gateway: gateway})
	return d, nil
}

func add[P part](d *Dev, p P) P {
	d.parts = append(d.parts, p)
	return p
}
