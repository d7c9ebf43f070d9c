package doctor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/doctor"
	"github.com/wirepost/wirepost/wireposttest"
)

// In a Lambda the last line of main is lambda.Start(f).
func ExampleHandler() {
	store := wirepost.NewMemStore(nil)
	f := doctor.Handler(wirepost.NewMux(store, nil), &doctor.Options{Store: store})

	g, stop, err := wireposttest.StartGateway(f, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	os.Setenv("WIREPOST_ENDPOINT", g.Endpoint)
	os.Setenv(doctor.Variable, "1")
	defer os.Unsetenv("WIREPOST_ENDPOINT")
	defer os.Unsetenv(doctor.Variable)

	answer, err := f.Invoke(context.Background(), []byte(`{"wirepost":"doctor"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	var report struct {
		Checks []struct{ Check, Status string }
	}
	if err := json.Unmarshal(answer, &report); err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range report.Checks {
		if c.Check == "send" {
			fmt.Println(c.Check, c.Status)
		}
	}
	// Output:
	// send ok
}
