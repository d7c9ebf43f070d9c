// Package intercept brings a program's calls to AWS to handlers in this process, without
// a change to the program: it calls the names that it calls on Lambda.
//
//	i, err := intercept.Listen(ctx, intercept.Config{})
//	client := i.NewClient("chat", os.Environ(), nil)
//	command.Env = append(os.Environ(), client.Variables()...)
//	err = i.Serve(map[string]http.Handler{"dynamodb": tables})
//
// There are two ways in, both on 127.0.0.1. A forward proxy serves clients that read
// HTTPS_PROXY, such as those of Python and Go. For Node.js, whose clients do not, there
// is [Preload], a module that leads tls.connect to a second port, where the server name of
// TLS tells what was called; that port speaks HTTP/1.1 and HTTP/2. Both want the token
// that a [Client] has in its environment.
//
// TLS is terminated for hosts whose service has a handler ([ParseHost]), with a
// certificate of an [Authority] that is made for each run, whose key is in memory only
// and which vouches for names of AWS only. The program has to trust it. All else goes
// through untouched, by the proxy that the program's own environment names.
//
// It knows nothing of what answers: a handler gets the request as it was sent, with its
// Host, path and headers, and may pass it on to AWS with [Interceptor.Onward].
package intercept
