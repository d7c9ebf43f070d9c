package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/jobs"
	"github.com/wirepost/wirepost/jwtauth"
)

// settings are the environment, checked.
type settings struct {
	store    string
	handlers map[string]bool
	tokens   *jwtauth.Options // nil: under dev, without tokens
	queue    *jobs.SQS        // nil: none
	level    slog.Level
	doctor   bool
	within   time.Duration // the bound of presence; zero: none is kept
	gather   time.Duration // for how long its changes wait for others
	unknown  []string      // variables that look like ours and are not
}

// The handlers, by the names that WIREPOST_HANDLERS has for them.
const (
	handleWebSocket   = "websocket"
	handleInvoke      = "invoke"
	handleSQS         = "sqs"
	handleSNS         = "sns"
	handleEventBridge = "eventbridge"
	handleDoctor      = "doctor"
	handleLong        = "long"
	handlePresence    = "presence"
)

var allHandlers = []string{handleWebSocket, handleInvoke, handleSQS, handleSNS, handleEventBridge, handleDoctor, handleLong, handlePresence}

// defaultWithin is the bound of presence without WIREPOST_PRESENCE.
const defaultWithin = 12 * time.Minute

// variables of the environment that are ours.
var variables = []string{"WIREPOST_STORE", "WIREPOST_HANDLERS", "WIREPOST_ENDPOINT", "WIREPOST_JWT_JWKS_URL", "WIREPOST_JWT_KEY", "WIREPOST_JWT_ISSUER",
	"WIREPOST_JWT_AUDIENCE", "WIREPOST_JWT_CLAIM", "WIREPOST_ALLOW_ORIGIN", "WIREPOST_QUEUE_URL", "WIREPOST_KEEP",
	"WIREPOST_LOG_LEVEL", "WIREPOST_DOCTOR", "WIREPOST_LONG_FUNCTION", "WIREPOST_PRESENCE"}

// parseConfig reads NAME=VALUE lines. Its errors name the variable, and no value
// that may be a secret.
func parseConfig(environ []string) (settings, error) {
	values := map[string]string{}
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		values[name] = strings.TrimSpace(value)
	}
	c := settings{store: values["WIREPOST_STORE"], handlers: map[string]bool{}, level: slog.LevelInfo}
	for name, value := range values {
		if strings.HasPrefix(name, "WIREPOST_") && value != "" && !slices.Contains(variables, name) {
			c.unknown = append(c.unknown, name)
		}
	}
	slices.Sort(c.unknown)
	if c.store == "" {
		return c, fmt.Errorf("WIREPOST_STORE is not set; it names the store, such as dynamodb://TABLE?region=REGION")
	}
	for name := range strings.SplitSeq(values["WIREPOST_HANDLERS"], ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !slices.Contains(allHandlers, name) {
			return c, fmt.Errorf("WIREPOST_HANDLERS has the unknown handler %q; the handlers are %s", clip(name), strings.Join(allHandlers, ", "))
		}
		c.handlers[name] = true
	}
	if len(c.handlers) == 0 {
		for _, name := range allHandlers {
			c.handlers[name] = true
		}
	}
	if v := values["WIREPOST_LOG_LEVEL"]; v != "" {
		if !slices.Contains([]string{"debug", "info", "warn", "error"}, strings.ToLower(v)) || c.level.UnmarshalText([]byte(v)) != nil {
			return c, fmt.Errorf("WIREPOST_LOG_LEVEL is %q; it must be debug, info, warn or error", clip(v))
		}
	}
	switch v := values["WIREPOST_DOCTOR"]; v {
	case "", "0":
	case "1":
		c.doctor = true
	default:
		return c, fmt.Errorf("WIREPOST_DOCTOR is %q; 1 lets the doctor answer, 0 does not", clip(v))
	}
	switch v := values["WIREPOST_PRESENCE"]; v {
	case "":
		c.within = defaultWithin
	case "off":
	default:
		d, err := time.ParseDuration(v)
		if err != nil || d < 5*time.Minute || d > 24*time.Hour {
			return c, fmt.Errorf("WIREPOST_PRESENCE is %q; set it to off, or to the time after which a vanished client counts as gone, from 5m to 24h", clip(v))
		}
		c.within = d
	}
	if onThisMachine(values["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"]) {
		c.gather = 250 * time.Millisecond
	}
	if v := values["WIREPOST_ENDPOINT"]; v != "" {
		if _, err := wirepost.ParseEndpoint(v, &wirepost.EndpointOptions{Region: values["AWS_REGION"]}); err != nil {
			return c, fmt.Errorf("WIREPOST_ENDPOINT: %w", err)
		}
	}
	if v := values["WIREPOST_QUEUE_URL"]; v != "" {
		q, err := jobs.NewSQS(v, values["AWS_REGION"])
		if err != nil {
			return c, fmt.Errorf("WIREPOST_QUEUE_URL: %w", err)
		}
		c.queue = q
	}
	if _, err := wirepost.ParseKeep(values["WIREPOST_KEEP"]); err != nil {
		return c, fmt.Errorf("WIREPOST_KEEP: %w", err)
	}
	if c.handlers[handleWebSocket] {
		var err error
		if c.tokens, err = parseTokens(values); err != nil {
			return c, err
		}
	}
	return c, nil
}

// parseTokens reads how tokens are checked: nil on this machine, if nothing says it.
func parseTokens(values map[string]string) (*jwtauth.Options, error) {
	o := &jwtauth.Options{JWKSURL: values["WIREPOST_JWT_JWKS_URL"], Key: values["WIREPOST_JWT_KEY"], Issuer: values["WIREPOST_JWT_ISSUER"],
		Audience: values["WIREPOST_JWT_AUDIENCE"], Claim: values["WIREPOST_JWT_CLAIM"]}
	for origin := range strings.SplitSeq(values["WIREPOST_ALLOW_ORIGIN"], ",") {
		if origin = strings.TrimSpace(origin); origin != "" {
			o.AllowOrigins = append(o.AllowOrigins, origin)
		}
	}
	if o.Key == "" && o.JWKSURL == "" {
		if !onThisMachine(values["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"]) {
			return nil, fmt.Errorf("neither WIREPOST_JWT_JWKS_URL nor WIREPOST_JWT_KEY is set; one of them is needed to know who connects (or leave websocket out of WIREPOST_HANDLERS)")
		}
		if o.Issuer != "" || o.Audience != "" || o.Claim != "" || o.AllowOrigins != nil {
			return nil, fmt.Errorf("WIREPOST_JWT_ISSUER, WIREPOST_JWT_AUDIENCE, WIREPOST_JWT_CLAIM or WIREPOST_ALLOW_ORIGIN is set, and neither WIREPOST_JWT_JWKS_URL nor WIREPOST_JWT_KEY; set one of them, or unset all of these")
		}
		return nil, nil
	}
	if _, err := jwtauth.New(o); err != nil {
		return nil, fmt.Errorf("WIREPOST_JWT_JWKS_URL, WIREPOST_JWT_KEY, WIREPOST_JWT_ISSUER, WIREPOST_JWT_AUDIENCE, WIREPOST_ALLOW_ORIGIN: %w", err)
	}
	return o, nil
}

// onThisMachine reports whether a management endpoint is a gateway of dev: plain
// HTTP to a loopback address. dev sets it for every function that it starts. On
// AWS it would be the deployer's own setting, and no post would reach a client.
func onThisMachine(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && u.Scheme == "http" && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func clip(s string) string {
	if len(s) <= 100 {
		return s
	}
	return s[:100] + "…"
}
