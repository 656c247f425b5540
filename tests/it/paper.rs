//! A page printed as a browser prints it, where there is a browser: how many sheets it takes.

use std::process::Command;

use tempfile::TempDir;

/// For A4 and Letter, how many sheets a page takes; nothing, and said so, where there is no browser to print it.
pub fn sheets(html: &str) -> Vec<(&'static str, usize)> {
    let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !is_there("chromium") {
        assert!(std::env::var("WILLITSELL_SKIP_IS_FAILURE").is_err(), "no chromium to print with");
        eprintln!("skipped: there is no chromium to print with");
        return Vec::new();
    }
    let folder = TempDir::new().unwrap();
    let print = |paper: &'static str| {
        let sized = html.replacen("</head>", &format!("<style>@page{{size:{paper}}}</style></head>"), 1);
        let (page, pdf) = (folder.path().join("page.html"), folder.path().join(format!("{paper}.pdf")));
        // The page forbids all but its own style, also this one's.
        let sized = sized.replacen("http-equiv", "data-left-out", 1);
        std::fs::write(&page, sized).unwrap();
        let ended = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"])
            .arg(format!("--user-data-dir={}", folder.path().join("browser").display()))
            .arg(format!("--print-to-pdf={}", pdf.display()))
            .arg(format!("file://{}", page.display()))
            .output()
            .unwrap();
        let written = std::fs::read(&pdf).unwrap_or_else(|_| panic!("nothing was printed: {ended:?}"));
        // Each sheet is an object of this type; the tree of them is `/Pages`.
        let text = String::from_utf8_lossy(&written);
        let all = text.matches("/Type /Page").count() - text.matches("/Type /Pages").count();
        (paper, all)
    };
    ["A4", "Letter"].map(print).to_vec()
}
