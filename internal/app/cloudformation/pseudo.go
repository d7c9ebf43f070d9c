package cloudformation

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// pseudo is Ref of AWS::NAME.
func (t *template) pseudo(name string, pos app.Position) *value {
	switch name {
	case "Region":
		return document.NewText(pos, t.options.Region)
	case "AccountId":
		return document.NewText(pos, t.options.Account)
	case "Partition":
		return document.NewText(pos, t.partition())
	case "URLSuffix":
		return document.NewText(pos, t.urlSuffix())
	case "StackName":
		return document.NewText(pos, t.stackName())
	case "StackId":
		return document.NewText(pos, t.arn("cloudformation", "stack/"+t.stackName()+"/00000000-0000-0000-0000-000000000000"))
	case "NoValue":
		return &value{Kind: document.Absent, Pos: pos}
	case "NotificationARNs":
		return document.NewList(pos)
	}
	return document.NewUnknown(pos, "AWS::"+document.Clip(name)+" is not a pseudo parameter")
}

func (t *template) partition() string {
	switch region := t.options.Region; {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func (t *template) urlSuffix() string {
	if strings.HasPrefix(t.options.Region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

func (t *template) stackName() string { return cmp.Or(t.options.Stack, "local") }

// arn is the ARN of something in the app's region and account.
func (t *template) arn(service, rest string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", t.partition(), service, t.options.Region, t.options.Account, rest)
}
