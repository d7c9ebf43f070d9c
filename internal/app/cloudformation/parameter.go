package cloudformation

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// parameter is Ref of a parameter: what was given for it, or its default. A parameter
// that comes from Systems Manager is also given by the name that it has there.
func (t *template) parameter(name string, p *value, pos app.Position) *value {
	typ := p.Get("Type").ScalarText()
	text, given := t.options.Parameters[name]
	if !given {
		text, given = t.options.Defaults[name]
	}
	switch d := p.Get("Default"); {
	case strings.HasPrefix(typ, "AWS::SSM::"):
		v := t.stored(name, text, given, d, pos)
		if v.Kind != document.Scalar {
			return v
		}
		text = v.Text
	case given:
	case d.Empty() && legacyAsset.MatchString(name):
		text = legacyAssetValue(name)
	case (d.Empty() || d.Kind == document.Unknown) && t.options.links != nil && t.options.links.optional[name] != "":
		return document.NewUnknown(pos, fmt.Sprintf("parameter %s of another stack has no value; give %s", document.Clip(t.options.links.optional[name]), app.Flag("--parameter", name, "VALUE")))
	case d.Empty() || d.Kind == document.Unknown:
		if t.unset[name] == (app.Position{}) {
			t.unset[name] = p.Pos
		}
		return document.NewUnknown(pos, fmt.Sprintf("parameter %s has no value", document.Clip(name)))
	case d.Kind == document.List: // not CloudFormation, but unmistakable
		return d
	default:
		text = d.Text
	}
	if !t.Spend(pos, len(text)) {
		return document.TooLarge(pos)
	}
	if typ == "CommaDelimitedList" || strings.HasPrefix(typ, "List<") || strings.Contains(typ, "<List<") {
		out := document.NewList(pos)
		for item := range strings.SplitSeq(text, ",") {
			out.Items = append(out.Items, document.NewText(pos, strings.TrimSpace(item)))
		}
		return out
	}
	return document.NewText(pos, text)
}

// boundParameter is what a nested stack gets for its parameter, or nil if that is not
// one of a nested stack or if the stack has only the default.
func (t *template) boundParameter(name string, pos app.Position) *value {
	if t.options.links == nil || t.options.links.bound[name].value == nil {
		return nil
	}
	b := t.options.links.bound[name]
	if !t.enter("parameter "+name, pos) {
		return document.NewUnknown(pos, "parameter "+document.Clip(name)+" refers to itself")
	}
	defer t.leave()
	v := t.eval(b.value)
	switch {
	case b.list && v.Kind == document.Scalar:
		out := document.NewList(pos)
		for item := range strings.SplitSeq(v.Text, ",") {
			out.Items = append(out.Items, document.NewText(pos, strings.TrimSpace(item)))
		}
		return out
	case v.Kind == document.Scalar:
		return document.NewText(pos, v.Text)
	}
	return v
}

// legacyAsset is how version 1 of CDK calls the parameters with which its command says
// where it has put an asset; the folder of the asset is in the metadata of what uses it
// (aws-cdk, packages/@aws-cdk/core, "LegacyStackSynthesizer").
var legacyAsset = regexp.MustCompile(`^AssetParameters([0-9a-f]{64})(S3Bucket|S3VersionKey|ArtifactHash)[0-9A-F]{8}$`)

// legacyAssetValue is a value of the form that the command gives.
func legacyAssetValue(name string) string {
	switch m := legacyAsset.FindStringSubmatch(name); m[2] {
	case "S3Bucket":
		return "cdk-assets"
	case "S3VersionKey":
		return "assets/||" + m[1] + ".zip" // the prefix and the name, which templates split
	default:
		return m[1]
	}
}

// stored is the value of a parameter that is the name of one in Systems Manager. What
// is given for the parameter is that name if a value of it is given, and else the
// value itself.
func (t *template) stored(name, text string, given bool, d *value, pos app.Position) *value {
	if given {
		if s, ok := t.given("ssm:" + text); ok {
			text = s
		}
		return document.NewText(pos, text)
	}
	why := "parameter " + document.Clip(name) + " comes from Systems Manager"
	if d.ScalarText() == "" {
		return document.NewUnknown(pos, why+"; give "+app.Flag("--parameter", name, "VALUE"))
	}
	return t.valueOr("ssm:"+d.Text, pos, why)
}

// checkParameters looks at what was given: a parameter that the template does not
// have is an error, as on AWS, and so is a value that the template does not allow.
func (t *template) checkParameters() error {
	var names []string
	for _, f := range t.parameters.Each() {
		names = append(names, f.Key)
	}
	for name := range t.options.Parameters {
		// A template of another language has parameters of its own.
		if t.format != t.options.Origin.Format && t.parameters.Get(name) == nil {
			return app.Errorf(app.Position{File: t.File()}, "has no parameter %s%s", document.Clip(name), instead(name, names))
		}
	}
	for _, f := range t.parameters.Each() {
		text, given := t.options.Parameters[f.Key]
		if !given {
			text, given = t.options.Defaults[f.Key]
		}
		if d := f.Value.Get("Default"); !given && d != nil && d.Kind == document.Scalar {
			text, given = d.Text, true
		}
		// Of a parameter from Systems Manager AWS checks the name, which is not known
		// here if a value was given for it.
		if !given || strings.HasPrefix(f.Value.Get("Type").ScalarText(), "AWS::SSM::") {
			continue
		}
		if err := t.checkParameter(f, text); err != nil {
			return err
		}
	}
	return nil
}

// instead is what to say of a name that there is not: the one that is alike, or those
// that there are.
func instead(name string, names []string) string {
	switch near := didYouMean(name, names); {
	case near != "":
		return near
	case len(names) == 0:
		return ": it has none"
	case len(names) > 5:
		return fmt.Sprintf(": it has %s and %d more", document.Clip(names[0]), len(names)-1)
	}
	return ": it has " + document.Clip(strings.Join(names, ", "))
}

// missing is an error that names the parameters that something needs and that have
// no value: the first few of them.
func (t *template) missing() error {
	var first app.Position
	var flags, names []string
	for _, f := range t.parameters.Each() {
		if pos, ok := t.unset[f.Key]; ok {
			if len(names) == 0 {
				first = pos
			}
			names = append(names, document.Clip(f.Key))
			flags = append(flags, app.Flag("--parameter", f.Key, "VALUE"))
		}
	}
	switch {
	case len(names) == 0:
		return nil
	case len(names) == 1:
		return app.Errorf(first, "parameter %s has no default: give %s", names[0], flags[0])
	case len(names) > 4:
		return app.Errorf(first, "parameter %s and %d more have no default: give %s and so on, or a samconfig.toml with parameter_overrides", names[0], len(names)-1, flags[0])
	}
	return app.Errorf(first, "parameters %s have no default: give %s", strings.Join(names, ", "), strings.Join(flags, " "))
}
