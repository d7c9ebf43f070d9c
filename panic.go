package wirepost

import (
	"fmt"
	"runtime/debug"
)

// goroutinePanic is a panic of code that is not the publish's own, such as a store or
// PublishOptions.OnResult, in one of its goroutines. There it would end the process, and
// nobody could recover it; so it goes on in the goroutine that publishes.
type goroutinePanic struct {
	value any
	stack []byte
}

// Error says what was panicked with, and where.
func (p *goroutinePanic) Error() string { return fmt.Sprintf("%v\n\n%s", p.value, p.stack) }

// Unwrap gives the error that was panicked with, if it was one.
func (p *goroutinePanic) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// catch, deferred, keeps a panic for the goroutine that publishes, and lets no other
// post start.
func (f *fanOut) catch() {
	value := recover()
	if value == nil {
		return
	}
	p := &goroutinePanic{value, debug.Stack()}
	f.mu.Lock()
	if f.panicked == nil {
		f.panicked = p
	}
	f.mu.Unlock()
	f.taking <- struct{}{}
	f.over = true
	<-f.taking
}
