package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost/internal/app"
)

// maxToken is the longest token that is looked at, in bytes. A header cannot have more.
const maxToken = maxHeader

// authorizeToken checks the token of the request as API Gateway does (AWS docs, "Control
// access to HTTP APIs with JWT authorizers", and "Control access to REST APIs using Amazon
// Cognito user pools"): its signature with the keys of the issuer, by an algorithm of RSA
// only, then kid, iss, aud or client_id, exp, nbf, iat, and one of the route's scopes.
func (x *exchange) authorizeToken() *reply {
	h, want := x.h, x.route.JWT
	if want == nil || want.Issuer == "" {
		return h.cannotRun(x.route, "its authorizer takes tokens, and who issues them is not known here")
	}
	sources, err := x.route.sources()
	if err != nil || len(sources) == 0 {
		return h.cannotRun(x.route, fmt.Sprintf("where its token is found is not known: %v", err))
	}
	token := x.value(sources[0])
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	if token == "" {
		return x.refuseToken(unauthorized, "", "the request has no token")
	}
	claims, err := h.tokens.verify(x.r.Context(), token, want)
	if errors.Is(err, errKeySet) {
		h.notice("keys "+want.Issuer, "%s: %v; tokens are refused until its keys can be fetched", h.routeName(x.route), err)
	}
	if err != nil {
		return x.refuseToken(unauthorized, "invalid_token", err.Error())
	}
	scopes := scopesOf(claims)
	if needed := x.route.Scopes; len(needed) > 0 && !slices.ContainsFunc(needed, func(s string) bool { return slices.Contains(scopes, s) }) {
		return x.refuseToken(denied, "insufficient_scope", "the token has none of the route's scopes")
	}
	// Without scopes a user pool's token has to be an identity token (AWS docs).
	if use, _ := claims["token_use"].(string); x.route.AuthorizerKind == "COGNITO" && len(x.route.Scopes) == 0 && use == "access" {
		return x.refuseToken(unauthorized, "invalid_token", "the token is an access token, and the route has no scopes; it wants an identity token")
	}
	said := map[string]any{"claims": claimTexts(claims), "scopes": nil}
	if len(x.route.Scopes) > 0 {
		said["scopes"] = scopes
	}
	if h.c.API.Kind == app.RESTAPI {
		delete(said, "scopes")
	}
	if x.payload() == "2.0" {
		said = map[string]any{"jwt": said}
	}
	x.authorized = encoded(said)
	return nil
}

// refuseToken refuses a request because of its token. The header is that of AWS docs,
// "Troubleshooting issues with HTTP API JWT authorizers"; its text is ours. That of REST
// APIs is UNCERTAIN: they have none here.
func (x *exchange) refuseToken(f failure, code, why string) *reply {
	p := x.h.fail(f, why)
	if x.h.c.API.Kind == app.RESTAPI {
		if f == denied { // UNCERTAIN
			p = x.h.fail(unauthorized, why)
		}
		return p
	}
	challenge := "Bearer"
	if code != "" {
		why := strings.Map(func(c rune) rune {
			if c < ' ' || c > '~' || c == '"' || c == '\\' {
				return '_'
			}
			return c
		}, why)
		challenge = fmt.Sprintf(`Bearer scope="%s" error="%s" error_description="%s"`, strings.Join(x.route.Scopes, " "), code, why)
	}
	p.header["Www-Authenticate"] = []string{challenge}
	return p
}

// verify checks a token and gives its claims. An error has nothing of the token in it but
// the names of claims; it wraps errKeySet if the keys could not be fetched.
func (t *tokens) verify(ctx context.Context, token string, want *app.JWT) (jwt.MapClaims, error) {
	if len(token) > maxToken {
		return nil, errors.New("the token is too long")
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256", "RS384", "RS512"}), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithTimeFunc(t.now), jwt.WithJSONNumber(), jwt.WithIssuer(want.Issuer))
	claims := jwt.MapClaims{}
	_, err := parser.ParseWithClaims(token, claims, func(parsed *jwt.Token) (any, error) {
		kid, _ := parsed.Header["kid"].(string)
		if kid == "" {
			return nil, errors.New("the token has no kid")
		}
		return t.key(ctx, want.Issuer, kid)
	})
	switch {
	case errors.Is(err, errKeySet), errors.Is(err, errUnknownKey):
		return nil, err
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, errors.New("the token has expired")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return nil, errors.New("the token has an invalid issuer")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return nil, errors.New("the token's signature or its algorithm is invalid")
	case err != nil:
		return nil, errors.New("the token is not a valid JWT with kid, iss, exp, nbf and iat as they have to be")
	}
	return claims, checkAudience(claims, want.Audiences)
}

// checkAudience holds aud, or client_id if there is no aud, against those that are
// allowed.
func checkAudience(claims jwt.MapClaims, allowed []string) error {
	if len(allowed) == 0 {
		return nil
	}
	var audiences []string
	if _, there := claims["aud"]; there {
		audiences, _ = claims.GetAudience() // an error is none
	} else if id, ok := claims["client_id"].(string); ok {
		audiences = []string{id}
	}
	for _, a := range audiences {
		if slices.Contains(allowed, a) {
			return nil
		}
	}
	return errors.New("the token does not have a valid audience")
}

// scopesOf are the scopes in scope or scp, a list or a text with spaces.
func scopesOf(claims jwt.MapClaims) []string {
	for _, name := range [...]string{"scope", "scp"} {
		switch v := claims[name].(type) {
		case string:
			return strings.Fields(v)
		case []any:
			var all []string
			for _, s := range v {
				if s, ok := s.(string); ok {
					all = append(all, s)
				}
			}
			return all
		}
	}
	return nil
}

// claimTexts are claims as events have them, all of them strings (aws-lambda-go,
// events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription). A list is [a b], as in
// reports; UNCERTAIN.
func claimTexts(claims jwt.MapClaims) map[string]string {
	out := map[string]string{}
	for name, value := range claims {
		switch v := value.(type) {
		case string:
			out[name] = v
		case []any:
			var parts []string
			for _, element := range v {
				parts = append(parts, fmt.Sprint(element))
			}
			out[name] = "[" + strings.Join(parts, " ") + "]"
		case map[string]any:
			text, _ := json.Marshal(v)
			out[name] = string(text)
		default:
			out[name] = fmt.Sprint(v)
		}
	}
	return out
}
