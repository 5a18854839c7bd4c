//! Expected texts are those of docker's `inspect --format`.

use super::*;

fn document() -> Value {
    serde_json::json!({
        "Id": "sha256:ab", "Size": 12,
        "RepoTags": ["app:1", "app:2"],
        "Config": {
            "Cmd": ["sh", "-c"], "Entrypoint": null, "User": "",
            "Labels": {"b": "2", "a.b": "1"},
        },
    })
}

fn render(template: &str) -> Result<String, Error> {
    Document::parse(template)?.render(&document())
}

#[test]
fn templates_are_filled_in_as_docker_does() {
    for (template, text) in [
        ("plain", "plain"),
        ("{{.Id}} {{.Size}}", "sha256:ab 12"),
        ("{{.Config.Cmd}}", "[sh -c]"),
        ("{{.Config.Entrypoint}}", "<no value>"),
        ("{{json .Config.Cmd}}", r#"["sh","-c"]"#),
        ("{{json .Config.Entrypoint}}", "null"),
        ("{{index .RepoTags 0}}", "app:1"),
        (
            r#"{{index .Config.Labels "a.b"}}{{index .Config.Labels "z"}}"#,
            "1",
        ),
        ("{{range .RepoTags}}{{.}},{{end}}", "app:1,app:2,"),
        ("{{range .RepoTags}}{{println .}}{{end}}", "app:1\napp:2\n"),
        (
            "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}",
            "a.b=1;b=2;",
        ),
        (
            "{{range $i, $t := .RepoTags}}{{if $i}}, {{end}}{{$t}}{{end}}",
            "app:1, app:2",
        ),
        ("{{range .Config.Entrypoint}}x{{else}}none{{end}}", "none"),
        (
            "{{if .Config.User}}{{.Config.User}}{{else}}root{{end}}",
            "root",
        ),
        (
            "{{if eq .Size 11}}a{{else if gt .Size 11}}b{{else}}c{{end}}",
            "b",
        ),
        (
            "{{with .Config}}{{.Cmd}} of {{$.Id}}{{end}}",
            "[sh -c] of sha256:ab",
        ),
        ("{{$n := len .RepoTags}}{{$n}}", "2"),
        (r#"{{join .RepoTags " "}}"#, "app:1 app:2"),
        (
            r#"{{.RepoTags | len | printf "%03s|%-4v|%q" "x"}}"#,
            "  x|2   |\"\"",
        ),
        (
            r#"{{printf "%.5s|%-4.2s|%5.1v" .Id .Id 7}}"#,
            "sha25|sh  |    7",
        ),
        (r#"{{(index .RepoTags 1) | upper}}"#, "APP:2"),
        (r#"{{range (split "a,b" ",")}}[{{.}}]{{end}}"#, "[a][b]"),
        (
            "{{(.Config).User}}{{and .Id .Size}}{{or .Config.User 7}}",
            "127",
        ),
        ("{{slice .Id 7}} {{truncate .Id 3}}", "ab sha"),
        ("a {{- /* why */ -}} b{{not true}}\\n", "abfalse\n"),
        ("{{`raw`}}{{title \"it\"}}", "rawIt"),
    ] {
        assert_eq!(render(template).as_deref(), Ok(text), "{template}");
    }
}

#[test]
fn what_is_no_template_or_fits_not_is_told() {
    for (template, error) in [
        ("{{.Id", Error::Unclosed),
        ("{{\"a}}", Error::Unquoted('"')),
        ("{{}}", Error::Missing("{{}}".into())),
        ("{{if .Id}}x", Error::Endless("if")),
        ("{{range .Id}}x{{else}}", Error::Endless("range")),
        ("x{{end}}", Error::Unexpected("end".into())),
        (
            "{{.Id .Size}}",
            Error::Unexpected("a value with arguments".into()),
        ),
        ("{{jsn .}}", Error::UnknownFunction("jsn".into())),
        ("{{$x}}", Error::UnknownVariable("$x".into())),
        (
            "{{.Config.Nope}}",
            Error::UnknownField("Config.Nope".into()),
        ),
        ("{{json}}", Error::Argument("json", "0 values".into())),
        (
            "{{index .RepoTags 9}}",
            Error::Argument("index", "9: there are 2".into()),
        ),
        (
            "{{range .Size}}{{end}}",
            Error::Argument("range", "12".into()),
        ),
        ("{{(.Id}}", Error::Missing("(".into())),
    ] {
        assert_eq!(render(template), Err(error), "{template}");
    }
}

#[test]
fn rows_have_known_fields_and_labels() {
    let row = serde_json::json!({
        "Name": "app-web-1", "Ports": ["a", "b"], "ExitCode": 0, "Labels": "k=v,tier=front"
    });
    let render = |template: &str| {
        Document::of_rows(template, &["Name", "Ports", "ExitCode", "Labels"])?.render(&row)
    };
    for (template, text) in [
        ("{{ .Name }}\\t{{.ExitCode}}\\n", "app-web-1\t0\n"),
        ("{{.Ports}}", "[a b]"),
        ("{{upper .Name | json}}", "\"APP-WEB-1\""),
        ("{{title .Name}}", "App-web-1"),
        ("{{.Label \"tier\"}}/{{.Label \"none\"}}", "front/"),
        ("{{upper (.Label `k`)}}", "V"),
        ("{{\"a b\"}}", "a b"),
        ("a {{- .ExitCode -}} b", "a0b"),
        ("a {{- /* why */ -}} b", "ab"),
        (
            "{{if eq .ExitCode 0}}{{range .Ports}}<{{.}}>{{end}}{{end}}",
            "<a><b>",
        ),
        (
            "{{json .}}",
            r#"{"Name":"app-web-1","Ports":["a","b"],"ExitCode":0,"Labels":"k=v,tier=front"}"#,
        ),
    ] {
        assert_eq!(render(template).unwrap(), text, "{template}");
    }
    for template in [
        "{{.Nmae}}",
        "{{json (.Nmae)}}",
        "{{if .Nmae}}x{{end}}",
        "{{if .Name}}{{.Nmae}}{{end}}",
        "{{range .Nmae}}{{.}}{{end}}",
    ] {
        assert_eq!(
            render(template),
            Err(Error::UnknownField("Nmae".into())),
            "{template}"
        );
    }
    for template in [
        "{{.Name \"x\"}}",
        "{{.Name | .Name}}",
        "{{.Label}}",
        "{{end}}",
        "{{}}",
    ] {
        assert!(render(template).is_err(), "{template}");
    }
}
