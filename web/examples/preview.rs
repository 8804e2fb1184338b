//! Writes every sample page with its static files to a folder, to be looked at in a browser:
//! `cargo run -p web --example preview -- /tmp/preview`.

use std::path::PathBuf;
use std::{env, fs};

use web::language::Language;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let folder = PathBuf::from(env::args().nth(1).ok_or("usage: preview <folder>")?);
    fs::create_dir_all(folder.join("static"))?;
    for name in web::assets::names() {
        let url = web::assets::url(&name);
        let asset = url
            .strip_prefix("/static/")
            .and_then(web::assets::find)
            .ok_or_else(|| format!("{url} is not embedded"))?;
        fs::write(folder.join(&url[1..]), asset.bytes)?;
    }
    let mut index = String::from("<!doctype html><title>Tollgate pages</title><ul>");
    let mut pages: Vec<(String, String)> = Vec::new();
    for (name, html) in web::samples::all()? {
        pages.push((name.to_owned(), html));
    }
    for language in Language::ALL {
        for (name, html) in web::samples::hosted(language)? {
            pages.push((format!("{name}.{}", language.tag()), html));
        }
    }
    for (name, html) in pages {
        // Opened from files, absolute addresses would lead to the root of the disk.
        let html = html.replace("\"/static/", "\"static/");
        fs::write(folder.join(format!("{name}.html")), html)?;
        index.push_str(&format!("<li><a href=\"{name}.html\">{name}</a>"));
    }
    fs::write(folder.join("index.html"), index)?;
    Ok(())
}
