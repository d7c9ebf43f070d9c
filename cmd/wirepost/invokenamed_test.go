package main

import "testing"

func TestWhatNamesAFunctionOfTheRunningDev(t *testing.T) {
	for name, want := range map[string]bool{
		"PublishFunction":  true,
		"wirepost-publish": true,
		"arn:aws:lambda:us-east-1:000000000000:function:publish": true,
		`aws_lambda_function.function["publish"]`:                true,
		"aws_lambda_function.chat":                               true,
		"module.chat.aws_lambda_function.hub":                    true,
		"./bootstrap":                                            false,
		"go:.":                                                   false,
		"event.json":                                             false,
		"aws_lambda_function.chat/event.json":                    false,
	} {
		if got := functionName.MatchString(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
