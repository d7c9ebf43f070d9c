package management

import "net/http"

// Mark is what the headers of an answer show of who gave it.
type Mark int

const (
	NoMark Mark = iota
	// MarkOfAWS is a header that API Gateway sends, and other services of AWS send too.
	MarkOfAWS
	// MarkOfAPIGateway is a header that API Gateway alone sends.
	MarkOfAPIGateway
)

// MarkOf looks for the headers of API Gateway (recorded answers to signed requests have
// x-amzn-requestid and x-amz-apigw-id, errors x-amzn-errortype too; apigw-requestid is that
// of HTTP APIs).
func MarkOf(h http.Header) Mark {
	switch {
	case h.Get("X-Amz-Apigw-Id") != "", h.Get("Apigw-Requestid") != "":
		return MarkOfAPIGateway
	case h.Get("X-Amzn-Requestid") != "", h.Get("X-Amzn-Errortype") != "":
		return MarkOfAWS
	}
	return NoMark
}
