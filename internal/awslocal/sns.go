package awslocal

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
)

const snsNamespace = "http://sns.amazonaws.com/doc/2010-03-31/"

// serveSNS answers for topics. Every client speaks the query protocol.
func (s *Services) serveSNS(w http.ResponseWriter, r *http.Request, body []byte) {
	form := formOf(r, body)
	name, account := topicIn(form)
	elsewhere := account != "" && account != s.c.Account
	var err error
	if s.c.Queues != nil && !elsewhere {
		header := r.Header.Clone()
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		var a *answer
		if a, err = s.ask(s.c.Queues, r, header, "/", []byte(form.Encode())); err == nil {
			if !noSuchTopic(a) {
				a.write(w)
				return
			}
			if s.forward(SNS, w, r, body, []string{name}) {
				return
			}
		}
	} else if elsewhere && s.forward(SNS, w, r, body, nil) || !elsewhere && s.forward(SNS, w, r, body, []string{name}) {
		return
	}
	if err != nil && !notReached(err) {
		writeXML(w, http.StatusInternalServerError, errorAsXML(snsNamespace, http.StatusInternalServerError, "InternalError", err.Error()))
		return
	}
	sentence := s.c.Missing(r, Miss{Service: SNS, Operation: form.Get("Action"), Name: name, Err: err})
	writeXML(w, http.StatusNotFound, errorAsXML(snsNamespace, http.StatusNotFound, "NotFound", sentence))
}

// topicIn is the topic that a request names, and whose it is: empty if it does not say.
func topicIn(form url.Values) (name, account string) {
	for _, parameter := range []string{"TopicArn", "TargetArn", "SubscriptionArn", "ResourceArn"} {
		if parts := strings.Split(form.Get(parameter), ":"); len(parts) >= 6 {
			return parts[5], parts[4]
		}
	}
	return form.Get("Name"), ""
}

func noSuchTopic(a *answer) bool {
	if a.status != http.StatusNotFound {
		return false
	}
	var e struct {
		Error struct{ Code string }
	}
	return xml.Unmarshal(a.body, &e) == nil && e.Error.Code == "NotFound"
}
