/** Colours and type of charts and page, light and dark as the reader's system says. */

const LIGHT = `--page:#f6f7f9;--surface:#fff;--ink:#1a1f29;--muted:#5c6675;--line:#dfe3e8;
--c0:#2358d8;--c1:#c2500a;--c2:#0b7a5c;--c3:#7a3fd1;--bad:#b3261e`;
const DARK = `--page:#12151b;--surface:#1b2029;--ink:#e7eaf0;--muted:#9aa5b5;--line:#323a47;
--c0:#7aa7ff;--c1:#ff9e57;--c2:#45c9a0;--c3:#b999ff;--bad:#ff8a80`;

const palette = `:root{color-scheme:light dark;${LIGHT}}@media(prefers-color-scheme:dark){:root{${DARK}}}`;

/** Of charts, in the page and in files of their own. */
export const chartStyle = `${palette}
svg text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--muted)}
svg .title{font-weight:600;font-size:15px;fill:var(--ink)}
svg .value{fill:var(--ink);font-variant-numeric:tabular-nums}
svg .halo{paint-order:stroke;stroke:var(--surface);stroke-width:5px;stroke-linejoin:round}
svg .grid{stroke:var(--line);stroke-width:1}
svg .base{stroke:var(--muted);stroke-width:1.25}
svg .line{fill:none;stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}
svg .l0{stroke:var(--c0)}svg .l1{stroke:var(--c1)}svg .l2{stroke:var(--c2)}svg .l3{stroke:var(--c3)}
svg .f0{fill:var(--c0)}svg .f1{fill:var(--c1)}svg .f2{fill:var(--c2)}svg .f3{fill:var(--c3)}
svg .l1{stroke-dasharray:7 4}
svg .whisker{stroke:var(--ink);stroke-width:1.5;fill:none}
svg .bar{opacity:.8}
svg .box{fill:none;stroke:var(--ink);stroke-width:1.25}`;

/** Of a chart in a file of its own, which has no page behind it. */
export const fileStyle = `${chartStyle}\nsvg{background:var(--surface)}`;

export const pageStyle = `${chartStyle}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:24px 16px 48px}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 4px}
h2{font-size:1.15rem;margin:0 0 2px}
p{margin:0 0 8px}
.muted{color:var(--muted);font-size:.9rem;overflow-wrap:anywhere}
section{background:var(--surface);border:1px solid var(--line);border-radius:10px;padding:16px;margin-top:16px;min-width:0}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,360px),1fr));gap:16px;margin-top:12px}
.charts svg{display:block;width:100%;height:auto;max-width:560px;}
.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:6px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{color:var(--muted);font-weight:500}
th:first-child,td:first-child{text-align:left;padding-left:0}
tr:last-child td{border-bottom:0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(120px,1fr));gap:8px 16px;margin:12px 0 0}
.figures dt{color:var(--muted);font-size:.85rem}
.figures dd{margin:0;font-size:1.15rem;font-weight:600;font-variant-numeric:tabular-nums}
.goals td:nth-child(2){text-align:left;white-space:normal;min-width:16ch}
.missed td:nth-child(3){color:var(--bad);font-weight:600}
.commands dd{margin:0 0 8px;overflow-wrap:anywhere;font-size:.85rem}
.void{color:var(--bad);font-weight:600;overflow-wrap:anywhere}
summary{cursor:pointer;color:var(--muted)}
details[open] summary{margin-bottom:12px}`;
