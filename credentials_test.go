package wirepost_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// A library that looked only where Lambda puts credentials has to say so to the one that
// has them in a profile.
func TestAProgramWithoutCredentialsIsToldWhichPackageFindsOthers(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	store := wirepost.NewMemStore(nil)
	now := time.Now()
	id := wirepost.Identity{APIID: "abc123", Stage: "prod", Region: "eu-west-1"}
	if _, err := store.PutStage(t.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: id, URL: "https://abc123.execute-api.eu-west-1.amazonaws.com/prod"}, EventTime: now}); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), wirepost.Connection{ID: "A=", Endpoint: id, ConnectedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	publisher := wirepost.NewPublisher(store, nil)
	defer publisher.CloseIdleConnections()
	result, err := publisher.Publish(t.Context(), wirepost.Everyone(), []byte("hi"), nil)
	if err != nil || result.Failed != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	var e *wirepost.Error
	if !errors.As(result.Errors[0], &e) || e.Problem != wirepost.ProblemCredentialsMissing || !strings.Contains(e.Error(), "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY not set") || !strings.Contains(e.Error(), "imports github.com/wirepost/wirepost/awschain") {
		t.Error(result.Errors[0])
	}
}
