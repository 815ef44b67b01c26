/** The style of all pages: light and dark as the reader's system has it, from 320 pixels on. Contrast at least 4.5 to 1. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f3f5f7; --card: #ffffff; --line: #dbe1e7; --text: #1b2128; --soft: #55606c;
  --accent: #0b6b57; --accent-soft: #e1f2ed; --code: #eef1f4; --ring: #0b6b57;
  --shadow: 0 1px 2px rgb(16 24 32 / 6%), 0 12px 32px -12px rgb(16 24 32 / 18%);
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161b; --card: #1a2027; --line: #2d3742; --text: #e9eef3; --soft: #a3b0bd;
    --accent: #63d3b6; --accent-soft: #17332d; --code: #12171d; --ring: #63d3b6;
    --shadow: 0 1px 2px rgb(0 0 0 / 40%), 0 16px 40px -16px rgb(0 0 0 / 60%);
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; display: flex; flex-direction: column; background: var(--page); color: var(--text);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
a { color: var(--accent); text-underline-offset: .2em; }
:focus-visible { outline: 3px solid var(--ring); outline-offset: 3px; border-radius: 4px; }
main:focus { outline: none; }
.skip { position: absolute; left: 1rem; top: -4rem; padding: .5rem 1rem; background: var(--card); border-radius: 8px; }
.skip:focus { top: 1rem; z-index: 1; }
.top, main, .foot { width: 100%; max-width: 46rem; margin: 0 auto; padding: 0 1.25rem; }
.top { padding-top: 1.5rem; }
.brand { display: inline-flex; align-items: center; gap: .65rem; color: inherit; font-weight: 650; letter-spacing: -.01em; text-decoration: none; }
.mark { width: 2rem; height: 2rem; }
main { flex: 1; padding-top: 2.25rem; padding-bottom: 2.5rem; }
h1 { margin: 0 0 .6rem; font-size: clamp(1.75rem, 1.3rem + 2.2vw, 2.5rem); line-height: 1.15; letter-spacing: -.025em; text-wrap: balance; overflow-wrap: anywhere; }
h2 { margin: 0 0 .35rem; font-size: 1.1rem; line-height: 1.35; letter-spacing: -.01em; }
p { margin: 0; text-wrap: pretty; }
.lead { max-width: 36rem; color: var(--soft); font-size: 1.075rem; }
.badge {
  display: inline-flex; align-items: center; gap: .45rem; margin-bottom: 1rem; padding: .2rem .75rem; border-radius: 999px;
  background: var(--accent-soft); color: var(--accent); font-size: .875rem; font-weight: 600;
}
.badge::before { content: ""; width: .5rem; height: .5rem; border-radius: 50%; background: currentColor; }
.badge.none { background: transparent; color: var(--soft); border: 1px solid var(--line); }
.card { margin-top: 1.75rem; padding: 1.25rem; border: 1px solid var(--line); border-radius: 16px; background: var(--card); box-shadow: var(--shadow); }
.card > p { color: var(--soft); }
.facts { display: grid; margin: 0; }
.facts > div { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .15rem 1.5rem; padding: .75rem 0; border-top: 1px solid var(--line); }
.facts > div:first-child { padding-top: 0; border-top: 0; }
.facts > div:last-child { padding-bottom: 0; }
dt { color: var(--soft); }
dd { margin: 0; font-weight: 550; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
code, pre { font-family: var(--mono); font-size: .875em; }
dd code { font-size: .9em; }
pre { margin: 1rem 0 0; padding: .9rem 1rem; overflow-x: auto; border: 1px solid var(--line); border-radius: 10px; background: var(--code); line-height: 1.7; }
pre code { font-size: .85rem; }
.foot { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .5rem 2rem; padding-top: 1.25rem; padding-bottom: 2rem; color: var(--soft); font-size: .9rem; }
.foot nav { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; }
@media (min-width: 40rem) { .card { padding: 1.75rem; } .top { padding-top: 2.25rem; } main { padding-top: 3.5rem; } }
@media print { .skip, .foot nav { display: none; } .card { box-shadow: none; } }
`.trim()
