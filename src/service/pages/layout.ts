import { html } from './html.js'
import type { Html } from './html.js'
import { MARK } from './mark.js'
import { STYLESHEET_URL } from './stylesheet.js'

/** The frame of every page. */
export function page ({ title, content }: { title: string, content: Html }): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · silverback</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${STYLESHEET_URL}">
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<a class="brand" href="/"><svg class="mark" viewBox="0 0 32 32" aria-hidden="true">${MARK}</svg>silverback</a>
</header>
<main id="content" tabindex="-1">
${content}
</main>
<footer class="foot">
<p>Server-side sessions, kept in PostgreSQL, behind one signed cookie.</p>
<nav aria-label="Service"><a href="/session">Session as JSON</a><a href="/readyz">Readiness</a></nav>
</footer>
</body>
</html>
`.text
}
