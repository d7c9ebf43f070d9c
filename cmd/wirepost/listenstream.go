package main

import (
	"encoding/json"
	"fmt"
	"unicode/utf16"

	"github.com/wirepost/wirepost/client"
)

// pieceLine is a piece of a stream, as listen prints it with --json.
type pieceLine struct {
	Type string `json:"type"` // stream
	client.Piece
}

// heard is how far each running stream has been printed, by its ID.
type heard map[string]int64

// unheard is what of a piece has not been printed: a post whose outcome is not known is
// sent again. Missing says that what was between is not there.
func (h heard) unheard(p client.Piece) (rest client.Piece, missing bool) {
	seen, known := h[p.Stream]
	text := utf16.Encode([]rune(p.Text))
	end := p.At + int64(len(text)+len(p.Items))
	if skip := min(seen, end) - p.At; known && skip > 0 {
		p.At += skip
		if len(text) > 0 {
			p.Text = string(utf16.Decode(text[skip:]))
		} else {
			p.Items = p.Items[skip:]
		}
	}
	if h[p.Stream] = max(seen, end); p.End || p.Error != "" {
		delete(h, p.Stream)
	}
	return p, known && p.At > seen
}

// printPiece prints a piece of a stream on a line of its own.
func (c *command) printPiece(l listening, p client.Piece) error {
	rest, missing := l.heard.unheard(p)
	ends := rest.End || rest.Error != ""
	if rest.Text == "" && len(rest.Items) == 0 && !ends {
		return nil
	}
	if l.json {
		return c.stdout.JSON(pieceLine{"stream", rest})
	}
	if missing {
		c.stdout.Printf("-- a part of stream %s is missing\n", oneLine(rest.Stream))
	}
	text := rest.Text
	if len(rest.Items) > 0 {
		items, err := json.Marshal(rest.Items)
		if err != nil {
			return fmt.Errorf("print a piece of stream %s: %w", rest.Stream, err)
		}
		text = string(items)
	}
	if text != "" {
		c.stdout.Printf("%s@%d %s\n", oneLine(rest.Stream), rest.At, oneLine(text))
	}
	if ends {
		why := ""
		if rest.Error != "" {
			why = ": " + oneLine(rest.Error)
		}
		c.stdout.Printf("-- stream %s has ended%s\n", oneLine(rest.Stream), why)
	}
	return nil
}
