import { html } from './html.js'

/** The back of a gorilla, with the saddle of silver that the old ones have. */
export const MARK = html`<rect width="32" height="32" rx="9" fill="#2a323c"/><path d="M5.5 27c0-9.200 3.500-14.500 10.500-14.500S26.500 17.800 26.500 27z" fill="#4a5664"/><path d="M9.300 22.200c1.200-4.300 3.500-6.300 6.700-6.300s5.500 2 6.700 6.300c-2 1.700-4.200 2.500-6.700 2.500s-4.700-.8-6.700-2.500z" fill="#cfd8e1"/><circle cx="16" cy="9.500" r="4.500" fill="#4a5664"/>`
