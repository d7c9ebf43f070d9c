package dynamodb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// BenchmarkPage reads a page of 1,000 topic rows, here and with AWS's client.
func BenchmarkPage(b *testing.B) {
	rows := make([]string, 1000)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"p":{"S":"t0:lobby"},"s":{"S":"Zq%012dIA=.0RkTn6F.9dK3mWqA"},"x":{"N":"1790000000"},"m":{"N":"123"}}`, i)
	}
	page := `{"Count":1000,"Items":[` + strings.Join(rows, ",") + `],"LastEvaluatedKey":{"p":{"S":"a"},"s":{"S":"b"}},"ScannedCount":1000}`
	a := &answering{status: 200, answer: page}
	b.Run("wirepost", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			if p, err := client(a).Query(b.Context(), QueryInput{TableName: "connections"}); err != nil || len(p.Items) != 1000 {
				b.Fatal(err)
			}
		}
	})
	b.Run("aws", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			if p, err := theirs(a).Query(b.Context(), &sdk.QueryInput{TableName: aws.String("connections")}); err != nil || len(p.Items) != 1000 {
				b.Fatal(err)
			}
		}
	})
}
