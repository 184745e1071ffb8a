"use strict";
(() => {
	const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
	const items = all("[data-item]");
	const search = document.getElementById("search");
	const only = document.getElementById("only");
	const found = document.getElementById("found");

	// Search shows the items that have all words, or are marked for attention.
	const texts = items.map(item => item.textContent.toLowerCase());
	const filter = () => {
		const words = search.value.toLowerCase().split(/\s+/).filter(word => word);
		let n = 0;
		items.forEach((item, i) => {
			const shown = words.every(word => texts[i].includes(word)) && !(only.checked && item.dataset.item === "plain");
			item.hidden = !shown;
			n += shown;
		});
		found.textContent = n === items.length ? `${n}` : `${n} of ${items.length}`;
	};
	search.addEventListener("input", filter);
	only.addEventListener("change", filter);

	const fold = open => items.forEach(item => {
		const details = item.matches("details") ? item : item.querySelector("details");
		if (details && !item.hidden) details.open = open;
	});
	document.getElementById("unfold").addEventListener("click", () => fold(true));
	document.getElementById("fold").addEventListener("click", () => fold(false));
	document.addEventListener("keydown", event => {
		if (event.key === "/" && document.activeElement !== search) {
			event.preventDefault();
			search.focus();
		}
	});

	// Raw bytes become a dump when they are first looked at.
	const dump = hex => {
		const lines = [];
		for (let at = 0; at < hex.length; at += 32) {
			const bytes = hex.slice(at, at + 32).match(/../g) || [];
			const text = bytes.map(b => parseInt(b, 16)).map(c => c > 31 && c < 127 ? String.fromCharCode(c) : ".").join("");
			lines.push(`${(at / 2).toString(16).padStart(4, "0")}  ${bytes.join(" ").padEnd(48)} ${text}`);
		}
		return lines.join("\n");
	};
	all("details.raw").forEach(raw => raw.addEventListener("toggle", () => {
		const pre = raw.querySelector("pre[data-hex]");
		if (pre) {
			pre.textContent = dump(pre.textContent.trim());
			pre.removeAttribute("data-hex");
		}
	}));

	// The address can hold what to search for (#q=words) and which items to open (#open=3,4).
	const address = () => {
		const wanted = new URLSearchParams(location.hash.slice(1));
		if (wanted.has("q")) search.value = wanted.get("q");
		filter();
		for (const id of (wanted.get("open") || "").split(",").filter(id => /^\d+$/.test(id))) {
			const item = document.getElementById("item-" + id);
			if (item) all("details", item).concat(item.matches("details") ? [item] : []).forEach(d => { d.open = true; });
		}
		const first = document.getElementById("item-" + (wanted.get("at") || ""));
		if (first) first.scrollIntoView();
	};
	window.addEventListener("hashchange", address);
	address();
	document.documentElement.dataset.ready = "yes";
})();
