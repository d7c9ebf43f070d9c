// The site of docs/: `make site` builds it into bin/site.
import { defineConfig } from "vitepress";

const pages = [
  ["Write", [["From an empty folder to AWS", "go"], ["Tests", "testing"], ["Publishing", "publishing"], ["Presence", "presence"], ["The protocol of browsers", "protocol"], ["The browser client", "clients-js"]]],
  ["Run", [["Your app on your machine", "apps"], ["The commands", "commands"], ["The inspector", "inspector"], ["Problems", "problems"], ["The store", "store"], ["DynamoDB", "dynamodb"]]],
  ["Deploy", [["The ready-made function", "function"], ["Operations", "operations"]]],
  ["Know", [["As AWS does it", "fidelity"], ["Security", "security"], ["Benchmarks", "benchmarks"], ["Decisions", "adr/README"], ["Releasing", "releasing"]]],
];

export default defineConfig({
  title: "wirepost",
  description: "Push messages from Go code to WebSocket clients, on Amazon API Gateway and on your machine",
  cleanUrls: true,
  // Links that lead out of the pages are to files of the repository; see make site.
  ignoreDeadLinks: false,
  markdown: {
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    config(md) {
      // A head of a table without words is no head for a screen reader.
      md.core.ruler.push("empty-heads", ({ tokens }) => {
        for (const [i, t] of tokens.entries()) {
          if (t.type === "th_open" && !tokens[i + 1].content) t.tag = tokens[i + 2].tag = "td";
        }
      });
      // Braces in code are text, not Vue's.
      const inline = md.renderer.rules.code_inline;
      md.renderer.rules.code_inline = (...all) => inline(...all).replace("<code", "<code v-pre");
    },
  },
  themeConfig: {
    search: { provider: "local", options: { translations: { button: { buttonText: "Search", buttonAriaLabel: "Search" } } } },
    nav: [{ text: "Start", link: "/" }, { text: "Go", link: "/go" }, { text: "Problems", link: "/problems" }],
    sidebar: pages.map(([text, items]) => ({ text, items: items.map(([text, link]) => ({ text, link: "/" + link })) })),
    outline: [2, 3],
  },
});
