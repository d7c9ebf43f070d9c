package cloudformation

import (
	"regexp"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// jwtConfiguration reads which tokens an authorizer of type JWT takes, or why that is not
// known. SAM writes its members in lower case.
func (r *reader) jwtConfiguration(v *value, what string) (*app.JWT, string) {
	v = r.eval(v)
	first := func(names ...string) *value {
		for _, name := range names {
			if p := v.Get(name); !p.Empty() {
				return p
			}
		}
		return nil
	}
	if v.Kind == document.Unknown {
		return nil, "its JwtConfiguration is not known here: " + v.Text
	}
	issuer, why := r.must(first("Issuer", "issuer"), "Issuer")
	if why != "" {
		return nil, why
	}
	return &app.JWT{Issuer: issuer, Audiences: r.texts(first("Audience", "audience"), "the audience of "+what)}, ""
}

var userPoolARN = regexp.MustCompile(`^arn:aws[a-z-]*:cognito-idp:([a-z0-9-]+):[0-9]*:userpool/([A-Za-z0-9_-]+)$`)

// userPools reads whose tokens an authorizer of a REST API takes. Of several user pools it
// is the first, with a note.
func (r *reader) userPools(v *value, pos app.Position, what string) (*app.JWT, string) {
	e := r.eval(v)
	if e.Kind == document.List {
		if len(e.Items) > 1 {
			r.Note(r.whereOr(v, pos), app.Warning, "%s has several user pools: here the tokens of the first are used", what)
		}
		if len(e.Items) > 0 {
			e = e.Items[0]
		}
	}
	arn, why := r.must(e, "user pool")
	if why != "" {
		return nil, why
	}
	m := userPoolARN.FindStringSubmatch(arn)
	if m == nil {
		return nil, "its user pool " + document.Clip(arn) + " is not the ARN of a user pool"
	}
	suffix := ""
	if len(m[1]) > 3 && m[1][:3] == "cn-" {
		suffix = ".cn"
	}
	return &app.JWT{Issuer: "https://cognito-idp." + m[1] + ".amazonaws.com" + suffix + "/" + m[2]}, ""
}
