"""The report page's style sheet: light and dark, phone and wide screen, no web fonts.

Only looks; the elements it speaks of are made in `page.py` and `charts.py`.
"""

STYLE = """
:root { color-scheme: light dark;
  --paper: #fcfbf9; --card: #fff; --ink: #22252a; --soft: #6a7078; --rule: #e5e2dc;
  --accent: 42 111 151; --over: #fff; --error: #b3261e }
@media (prefers-color-scheme: dark) { :root {
  --paper: #15171a; --card: #1c1f23; --ink: #e4e5e7; --soft: #989fa8; --rule: #2f343a;
  --accent: 104 176 215; --over: #10151a; --error: #ff8a80 } }
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

.numbers { display: grid; gap: 1px; margin: 2rem 0 0; padding: 0; overflow: hidden;
  grid-template-columns: repeat(12, 1fr); background: var(--rule);
  border: 1px solid var(--rule); border-radius: 12px }
.numbers div { grid-column: span 3; background: var(--card); padding: .95rem 1.15rem;
  min-width: 0 }
.numbers .wide { grid-column: span 4 }
.numbers dt { font-size: .82rem; color: var(--soft) }
.numbers dd { margin: .1rem 0 0; font-size: 1.3rem; font-weight: 560;
  letter-spacing: -.01em; overflow-wrap: anywhere; line-height: 1.35 }
.numbers .main dd { color: rgb(var(--accent)); font-weight: 680; font-size: 1.75rem;
  line-height: 1.15 }
.numbers small { font-size: .72em; font-weight: 450; color: var(--soft) }

.charts { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)) }
figure { margin: 0 }
.charts figure { background: var(--card); border: 1px solid var(--rule);
  border-radius: 12px; padding: .9rem .9rem .5rem; max-width: 560px }
figcaption { display: flex; flex-wrap: wrap; justify-content: space-between;
  align-items: baseline; gap: 0 .6rem; font-size: .9rem; font-weight: 560;
  margin: 0 .2rem .5rem }
figcaption span { color: var(--soft); font-weight: 400; font-size: .9em }
svg { display: block; width: 100%; height: auto; overflow: visible }
svg svg { overflow: hidden }
svg text { font-size: 10.5px; fill: var(--soft) }
svg .y { text-anchor: end; dominant-baseline: central }
svg .x { text-anchor: middle }
svg .grid { stroke: var(--rule); fill: none }
svg .line, svg .faint { fill: none; stroke: rgb(var(--accent)); stroke-width: 1.8;
  stroke-linejoin: round; stroke-linecap: round }
svg .faint { stroke-width: 1; opacity: .3 }
svg .dot { fill: rgb(var(--accent)) }
.k0 { --accent: 0 114 178 } .k1 { --accent: 213 94 0 } .k2 { --accent: 0 158 115 }
.k3 { --accent: 204 121 167 } .k4 { --accent: 230 159 0 } .k5 { --accent: 86 180 233 }
.k6 { --accent: 120 94 240 } .k7 { --accent: 150 130 90 }
.key { background: rgb(var(--accent)) }

table { border-collapse: collapse; font-size: .93rem }
th { font-weight: 450; text-align: left }
thead th { color: var(--soft); font-size: .82rem }
.classes { width: 100%; max-width: 760px }
.classes th, .classes td { padding: .34rem .6rem .34rem 0;
  border-bottom: 1px solid var(--rule) }
.classes td, .classes thead th:nth-child(n+3) { text-align: right; width: 1%;
  white-space: nowrap; padding: .34rem 0 .34rem .8rem }
.classes tbody th { overflow-wrap: break-word }
.classes .bar { width: 55% }
.classes .bar div { height: .55rem; border-radius: 3px; background: var(--rule) }
.classes .bar span { display: block; height: 100%; border-radius: 3px;
  background: rgb(var(--accent)) }
.name { display: flex; align-items: center; gap: .55em }
.name i { flex: none; width: .8em; height: .8em; border-radius: 3px;
  box-shadow: 0 0 0 1px var(--rule) }

.samples { display: grid; gap: 1.6rem }
.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch }
.samples img { display: block; width: 100%; min-width: 620px; height: auto;
  border-radius: 8px; background: #fff; padding: 6px }
.samples figcaption { font-weight: 400; color: var(--soft); margin: 0 0 .4rem;
  overflow-wrap: anywhere }

.heat { font-size: .8rem; line-height: 1.2 }
.heat td { min-width: 2.3rem; height: 2rem; text-align: center; padding: 0 .2rem;
  background: rgb(var(--accent) / var(--v)); border: 1px solid var(--paper) }
.heat .high { color: var(--over) }
.heat tbody th { padding-right: .8rem; white-space: nowrap }
.heat thead th { vertical-align: bottom; padding: .4rem 0; text-align: center }
.heat thead span { writing-mode: vertical-rl; transform: rotate(180deg);
  white-space: nowrap }

details { border: 1px solid var(--rule); border-radius: 12px; background: var(--card) }
summary { cursor: pointer; padding: .75rem 1.1rem }
pre { margin: 0; padding: .2rem 1.1rem 1.1rem; overflow-x: auto;
  font: .82rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
footer { margin-top: 3.2rem; padding-top: 1.1rem; border-top: 1px solid var(--rule);
  font-size: .85rem }
footer span { white-space: nowrap; margin-right: 1.1em }
@media (max-width: 640px) {
  .numbers div, .numbers .wide { grid-column: span 6 }
  .numbers .device { grid-column: span 12 }
  .classes .bar { width: 30% } }
@media print { body { background: #fff } details pre { white-space: pre-wrap } }
"""
