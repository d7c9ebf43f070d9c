package cloudformation

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// locate decides the region and the account: those of the options, or else those
// that a value says which is given for a resource of the stack, for a stack is in one
// region and one account. A value of another region than the app's is a note.
func (t *template) locate() {
	o := &t.options
	stated := o.Region
	for _, x := range t.order {
		s, ok := o.Values[x.id]
		if !ok {
			s, ok = t.more(x)
		}
		if !ok || isCustom(x.typ) {
			continue
		}
		region, account := placeOf(s)
		t.asked[x.id] = t.asked[x.id] || region != ""
		if o.Region == "" {
			o.Region = region
		}
		if o.Account == "" {
			o.Account = account
		}
		if region != "" && region != o.Region {
			t.Note(x.pos, app.Warning, "the value that is given for %s is of region %s, but the app is in %s: give --region %s", document.Clip(x.id), region, document.Clip(cmp.Or(stated, o.Region)), region)
		}
	}
	o.Region, o.Account = cmp.Or(o.Region, app.DefaultRegion), cmp.Or(o.Account, app.DefaultAccount)
}

// isCustom reports whether a resource is made by a program, which may make it
// anywhere.
func isCustom(typ string) bool {
	return strings.HasPrefix(typ, "Custom::") || strings.HasPrefix(typ, "AWS::CloudFormation::")
}

var (
	regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)
	poolID     = regexp.MustCompile(`^([a-z]{2}(?:-[a-z]+)+-[0-9]+)[_:]`) // also of an identity pool
	queueURL   = regexp.MustCompile(`^https://sqs\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([0-9]{12})/([A-Za-z0-9_.-]+)$`)
	accountID  = regexp.MustCompile(`^[0-9]{12}$`)
)

// placeOf is the region and the account in an ARN, the URL of a queue or the ID of a
// pool, as far as they are there.
func placeOf(s string) (region, account string) {
	if parts := strings.SplitN(s, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		if regionName.MatchString(parts[3]) {
			region = parts[3]
		}
		if accountID.MatchString(parts[4]) {
			account = parts[4]
		}
		return region, account
	}
	if m := queueURL.FindStringSubmatch(s); m != nil {
		return m[1], m[2]
	}
	if m := poolID.FindStringSubmatch(s); m != nil {
		return m[1], ""
	}
	return "", ""
}
