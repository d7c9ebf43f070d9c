package template

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/cloudformation"
	"github.com/wirepost/wirepost/internal/app/document"
	"github.com/wirepost/wirepost/internal/app/terraform"
)

// terraformDir is the folder of a configuration of Terraform: a folder with its files,
// or that of the file that is named.
func terraformDir(file string) (dir string, ok bool) {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return file, terraform.Is(file)
	}
	return filepath.Dir(file), strings.HasSuffix(file, ".tf") || strings.HasSuffix(file, ".tf.json")
}

// readTerraform is Read of a configuration of Terraform.
func readTerraform(file, dir string, o *Options) (*app.App, []app.Note, error) {
	if o == nil {
		o = &Options{}
	}
	if _, err := os.Stat(file); err != nil {
		return nil, nil, err
	}
	reading := document.NewReading(file)
	made, err := terraform.Expand(reading, terraform.Options{
		Dir: dir, Parameters: o.Parameters, Values: o.Values, MoreValues: o.MoreValues, Region: o.Region, Account: o.Account, Env: o.Env,
	})
	if err != nil {
		return nil, reading.Notes(), err
	}
	a, notes, err := cloudformation.Read(made.Template, reading, cloudformation.Options{
		Values: o.Values, MoreValues: o.MoreValues, StandIns: o.StandIns, Overrides: o.Overrides, API: o.API, Stage: o.Stage, Region: made.Region, Account: made.Account,
		Origin: &cloudformation.Origin{Format: terraform.Format, Asked: made.Asked, Dir: dir, Placeholders: made.Placeholders},
	})
	if err != nil {
		return nil, terraform.Notes(notes), terraform.Error(err)
	}
	resolve := a.Resolver
	a.Resolver = func(names app.Names) (*app.App, []app.Note, error) {
		a, notes, err := resolve(names)
		if err != nil {
			return nil, terraform.Notes(notes), terraform.Error(err)
		}
		return terraform.App(a), terraform.Notes(notes), nil
	}
	return terraform.App(a), terraform.Notes(notes), nil
}
