package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/terminal"
)

// Status of a check.
type Status string

// The statuses. A skipped check says why.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
	Skip Status = "skip"
)

// Check is one thing that was looked at.
type Check struct {
	Name    string           `json:"check"`
	Status  Status           `json:"status"`
	Problem wirepost.Problem `json:"problem,omitempty"`
	// Sentence says what was found, or why it was not looked for.
	Sentence string `json:"sentence,omitempty"`
	Fix      string `json:"fix,omitempty"`
	See      string `json:"see,omitempty"` // where the problem is described
	// Candidates are what it may be, the likeliest first, where it cannot be told.
	Candidates []wirepost.Problem `json:"candidates,omitempty"`
	// Answer is what the other side said, in its own words.
	Answer *Answer `json:"answer,omitempty"`
}

// Answer is an HTTP answer.
type Answer struct {
	Status int    `json:"status"`
	Body   string `json:"body,omitempty"`
}

// Report is what a run found.
type Report struct {
	Version    string `json:"version"`
	SDKVersion string `json:"sdkVersion,omitempty"`
	// Endpoint is what would be used, From where it comes from, and AlsoSeen the
	// others that were found and are not used.
	Endpoint string   `json:"endpoint,omitempty"`
	From     string   `json:"from,omitempty"`
	AlsoSeen []string `json:"alsoSeen,omitempty"`
	// API is the endpoint's identity as far as it is known.
	API        string  `json:"api,omitempty"`
	Region     string  `json:"region,omitempty"`
	RegionFrom string  `json:"regionFrom,omitempty"`
	Identity   string  `json:"identity,omitempty"`
	Checks     []Check `json:"checks"`
}

// Worst is the gravest status of the checks: fail, then warn, then ok.
func (r *Report) Worst() Status {
	worst := OK
	for _, c := range r.Checks {
		switch {
		case c.Status == Fail:
			return Fail
		case c.Status == Warn:
			worst = Warn
		}
	}
	return worst
}

// Problems are the problems that were found, failures and warnings, in their order.
func (r *Report) Problems() []wirepost.Problem {
	var all []wirepost.Problem
	for _, c := range r.Checks {
		if c.Status == Fail || c.Status == Warn {
			all = append(all, c.Problem)
		}
	}
	return all
}

// check finds a check by its name; nil if there is none.
func (r *Report) check(name string) *Check {
	for i := range r.Checks {
		if r.Checks[i].Name == name {
			return &r.Checks[i]
		}
	}
	return nil
}

// Text writes the report for people, with text from outside made harmless for terminals.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	head := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-9s %s\n", name, terminal.Line(value))
		}
	}
	endpoint := r.Endpoint
	if endpoint == "" {
		endpoint = "none"
	}
	head("endpoint", endpoint)
	head("from", r.From)
	for _, other := range r.AlsoSeen {
		head("also seen", other)
	}
	head("api", r.API)
	if r.Region != "" {
		head("region", r.Region+" ("+r.RegionFrom+")")
	}
	head("identity", r.Identity)
	b.WriteByte('\n')
	count := map[Status]int{}
	first := r.check("endpoint")
	alone := r.Endpoint == "" && first != nil && first.Status == Fail
	for _, c := range r.Checks {
		count[c.Status]++
		if alone && (c.Status == Skip || c.Status == OK) {
			continue // all that is to be said is what to do first
		}
		line := fmt.Sprintf("%-4s  %-16s", c.Status, c.Name)
		switch c.Status {
		case OK:
			line += "  " + terminal.Line(c.Sentence)
		case Skip:
			line += "  (" + terminal.Line(c.Sentence) + ")"
		default:
			line += "  " + string(c.Problem) + ": " + terminal.Line(c.Sentence)
		}
		b.WriteString(strings.TrimRight(line, " "))
		b.WriteByte('\n')
		if c.Status != Fail && c.Status != Warn {
			continue
		}
		if c.Answer != nil {
			fmt.Fprintf(&b, "      answer: %d %s\n", c.Answer.Status, terminal.Line(oneLine(c.Answer.Body)))
		}
		if len(c.Candidates) > 0 {
			b.WriteString("      in order of likelihood:\n")
			for _, p := range c.Candidates {
				fmt.Fprintf(&b, "        %s: %s\n", p, p.Sentence())
			}
		}
		fmt.Fprintf(&b, "      fix: %s\n", terminal.Line(c.Fix))
		if c.See != "" {
			fmt.Fprintf(&b, "      see: %s\n", c.See)
		}
	}
	if alone {
		_, err := io.WriteString(w, b.String()+"\nthe other checks need an endpoint\n")
		return err
	}
	fmt.Fprintf(&b, "\n%d ok, %d warn, %d fail, %d skip\n", count[OK], count[Warn], count[Fail], count[Skip])
	if send := r.check("send"); send != nil && send.Status == Skip && count[Fail] == 0 {
		fmt.Fprintf(&b, "whether a send would work was not tried: %s\n", terminal.Line(send.Sentence))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// JSON writes the report as one object.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// oneLine is an answer in one line.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 400 {
		s = strings.ToValidUTF8(s[:400], "") + "…"
	}
	return s
}

// accountInARN is compiled when a report is masked: a function that links the doctor
// would compile it at each start.
var accountInARN = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:)[0-9]{8}([0-9]{4}:)`)
})

// mask leaves the last four digits of accounts, as API Gateway does.
func (r *Report) mask(account string) {
	hide := func(s string) string {
		if len(account) == 12 {
			s = strings.ReplaceAll(s, account, "********"+account[8:])
		}
		return accountInARN().ReplaceAllString(s, "${1}********${2}")
	}
	r.Identity = hide(r.Identity)
	for i := range r.Checks {
		c := &r.Checks[i]
		c.Sentence, c.Fix = hide(c.Sentence), hide(c.Fix)
		if c.Answer != nil {
			c.Answer = &Answer{c.Answer.Status, hide(c.Answer.Body)}
		}
	}
}
