"""The looks of all that people see: colours, and the report page's style sheet.

Light and dark, phone, wide screen and print, no web fonts.  The elements that the style
sheet speaks of are made in `page.py`, `samples.py`, `charts.py` and `comparison.py`.
"""

PAPER, INK, SOFT, RULE, ACCENT = "#ffffff", "#22252a", "#656b73", "#e5e2dc", "#2a6f97"
"""The background of pages, pictures and figures; text, remarks, lines, and data."""

_LIGHT = f"""
  --paper: {PAPER}; --ink: {INK}; --soft: {SOFT}; --rule: {RULE}; --edge: #868d95;
  --accent: 42 111 151; --heat: 95 165 210 """

# --heat: the full colour of a cell, on which the ink can be read.
_DARK = """
  --paper: #15171a; --ink: #e4e5e7; --soft: #989fa8; --rule: #33383f; --edge: #747b84;
  --accent: 104 176 215; --heat: 30 94 132 """

STYLE = (
    f"""
:root {{ color-scheme: light dark; {_LIGHT} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}"""
    + """
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue",
    Arial, sans-serif; font-variant-numeric: tabular-nums;
  -webkit-text-size-adjust: 100% }
main { max-width: 1080px; margin: 0 auto; padding: clamp(1.25rem, 4vw, 3.5rem) }
h1 { margin: 0; font-size: clamp(1.7rem, 4.5vw, 2.5rem); line-height: 1.15;
  letter-spacing: -.02em; font-weight: 650; overflow-wrap: anywhere }
h2 { margin: 3.2rem 0 .9rem; font-size: 1.15rem; font-weight: 620;
  letter-spacing: -.005em }
p { margin: .5rem 0; max-width: 42rem }
.soft, footer { color: var(--soft) }
header .soft { margin: .5rem 0 0 }

.caution { border-left: 3px solid var(--edge); padding-left: .8rem }

.numbers { display: grid; gap: 1px; margin: 2rem 0 0; padding: 0; overflow: hidden;
  grid-template-columns: repeat(4, 1fr); background: var(--rule);
  border: 1px solid var(--rule); border-radius: 12px }
.numbers div { background: var(--paper); padding: .95rem 1.15rem; min-width: 0 }
.numbers dt { font-size: .82rem; color: var(--soft) }
.numbers dd { margin: .1rem 0 0; font-size: 1.3rem; font-weight: 560;
  letter-spacing: -.01em; overflow-wrap: anywhere; line-height: 1.35 }
.numbers .main dd { color: rgb(var(--accent)); font-weight: 680; font-size: 1.75rem;
  line-height: 1.15 }
.numbers div:last-child dd { font-size: 1.05rem; letter-spacing: 0 }
.numbers small { font-size: .72em; font-weight: 450; color: var(--soft) }

.charts { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)) }
figure { margin: 0 }
.charts figure { border: 1px solid var(--rule);
  border-radius: 12px; padding: .9rem .9rem .5rem; max-width: 480px;
  display: flex; flex-direction: column; justify-content: space-between }
figcaption { display: flex; flex-wrap: wrap; justify-content: space-between;
  align-items: baseline; gap: 0 .6rem; font-size: .9rem; font-weight: 560;
  margin: 0 .2rem .5rem; overflow-wrap: anywhere }
figcaption span { color: var(--soft); font-weight: 400; font-size: .9em }
svg { display: block; width: 100%; height: auto; overflow: visible }
svg svg { overflow: hidden }
svg text { font-size: 11.5px; fill: var(--soft) }
svg .y { text-anchor: end; dominant-baseline: central }
svg .x { text-anchor: middle }
svg .grid { stroke: var(--rule); fill: none }
svg .line, svg .faint { fill: none; stroke: rgb(var(--accent)); stroke-width: 1.8;
  stroke-linejoin: round; stroke-linecap: round }
svg .faint { stroke-width: 1; opacity: .3 }
svg .dot { fill: rgb(var(--accent)) }
.k0, .k4 { --accent: 0 114 178 } .k1, .k5 { --accent: 213 94 0 }
.k2, .k6 { --accent: 0 148 106 } .k3, .k7 { --accent: 190 105 160 }
.k4 .line, .k5 .line, .k6 .line, .k7 .line { stroke-dasharray: 6 5;
  stroke-linecap: butt }
.name .stroke { width: 1.6em; height: 0; border: 0; border-radius: 0; box-shadow: none;
  border-top: 3px solid rgb(var(--accent)) }
.k4 .stroke, .k5 .stroke, .k6 .stroke, .k7 .stroke { border-top-style: dashed }

table { border-collapse: collapse; font-size: .93rem }
th { font-weight: 450; text-align: left }
thead th { color: var(--soft); font-size: .82rem }
.classes { width: 100%; max-width: 820px }
.runs { width: 100% }
.classes th, .classes td, .runs th, .runs td { padding: .34rem .9rem .34rem 0;
  border-bottom: 1px solid var(--rule) }
.classes td, .classes thead th + td ~ th, .runs td, .runs thead th + th {
  text-align: right; width: 1%; white-space: nowrap; padding: .34rem 0 .34rem .9rem }
.runs thead th { white-space: nowrap; vertical-align: bottom }
.runs tbody th { min-width: 10rem; overflow-wrap: anywhere }
.runs small { display: block; color: var(--soft); line-height: 1.3 }
.classes tbody th { overflow-wrap: anywhere; min-width: 5.5rem }
.classes .bar { width: 45% }
.classes .bar div { height: .6rem; border-radius: 3px; background: var(--rule);
  position: relative; overflow: hidden }
.classes .bar span { position: absolute; inset: 0 auto 0 0; opacity: .42;
  background: rgb(var(--accent)) }
.classes .bar span:last-child { opacity: 1 }
.key::before { content: ""; display: inline-block; width: .65em; height: .65em;
  margin-right: .4em; border-radius: 2px; background: rgb(var(--accent) / .42) }
.key.iou::before { background: rgb(var(--accent)) }
.name { display: flex; align-items: baseline; gap: .55em }
.name i { flex: none; width: .8em; height: .8em; border-radius: 3px;
  box-shadow: 0 0 0 1px var(--edge); align-self: center }

.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch }
.samples { display: grid; gap: 1.8rem }
.samples figcaption { font-weight: 560; margin: 0 0 .3rem }
.sheet { display: grid; gap: .6rem; grid-template-columns: repeat(4, minmax(0, 1fr)) }
.sheet.wide { grid-template-columns: repeat(2, minmax(0, 1fr)) }
.sheet p { margin: 0 0 .2rem; font-size: .82rem; color: var(--soft) }
.sheet img { display: block; width: 100%; height: auto; max-height: 560px;
  object-fit: contain; object-position: left top }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin-top: .5rem;
  font-size: .85rem }
.legend .name { overflow-wrap: anywhere; min-width: 0 }

.heat { font-size: .8rem; line-height: 1.2 }
.heat tbody td { min-width: 2.3rem; height: 2rem; text-align: center; padding: 0 .2rem;
  background: rgb(var(--heat) / var(--v)); border: 1px solid var(--paper) }
.heat .name span, .heat thead span { overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap }
.heat .name { max-width: 12rem }
.heat tbody th { padding-right: .8rem; position: sticky; left: 0;
  background: var(--paper) }
.heat thead th { vertical-align: bottom; padding: .4rem 0; text-align: center }
.heat thead span { writing-mode: vertical-rl; transform: rotate(180deg);
  max-height: 12rem; display: inline-block }

details { border: 1px solid var(--rule); border-radius: 12px }
summary { cursor: pointer; padding: .75rem 1.1rem }
pre { margin: 0; padding: .2rem 1.1rem 1.1rem; overflow-x: auto;
  font: .82rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
footer { margin-top: 3.2rem; padding-top: 1.1rem; border-top: 1px solid var(--rule);
  font-size: .85rem }
footer span { white-space: nowrap; margin-right: 1.1em }
@media (max-width: 640px) {
  .numbers, .sheet { grid-template-columns: repeat(2, minmax(0, 1fr)) }
  .sheet.wide { grid-template-columns: minmax(0, 1fr) }
  .classes .bar, .classes thead td, .key::before { display: none }
  .heat .name { max-width: 7rem } }
@media print {
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact }
  main { max-width: none; padding: 0 }
  figure, tr, .numbers { break-inside: avoid } h2 { break-after: avoid }
  .scroll { overflow: visible } pre { white-space: pre-wrap } }
"""
)
