//! Form, booking and mail tools: what they refuse and leave out, asked without any connector.

use reqwest::{RequestBuilder, Url};
use serde_json::{Value, json};
use willitsell::sandbox::{Endpoint, Sandbox, Setup, google_forms, hubspot, jotform, surveymonkey, tally};

use super::{busy, client, json_of, oauth};

async fn sandbox() -> Sandbox {
    let setup = Setup { hubspot: hubspot::Limits { ceiling: 20 }, ..busy("2026-03-20") };
    Sandbox::start(setup).await.unwrap()
}

/// A call with the right token of a vendor.
fn get(sandbox: &Sandbox, at: Endpoint, path: &str) -> RequestBuilder {
    client().get(format!("{}{path}", sandbox.url(at))).bearer_auth(sandbox.api_token(at))
}

async fn answer(call: RequestBuilder) -> (u16, Value) {
    let answer = call.send().await.unwrap();
    (answer.status().as_u16(), json_of(answer).await)
}

#[tokio::test]
async fn tally_and_surveymonkey_mix_those_who_have_not_finished_in_unless_they_are_filtered_out() {
    let sandbox = sandbox().await;
    let path = "/forms/CatMeals/submissions?limit=100";
    let (_, all) = answer(get(&sandbox, Endpoint::Tally, path)).await;
    let open = |page: &Value| page["submissions"].as_array().unwrap().iter().any(|it| it["isCompleted"] == false);
    let (_, done) = answer(get(&sandbox, Endpoint::Tally, &format!("{path}&filter=completed"))).await;
    assert!(open(&all) && !open(&done));
    assert_eq!(answer(get(&sandbox, Endpoint::Tally, &format!("{path}&startDate=x"))).await.0, 400);
    assert_eq!(all["questions"][1]["id"], tally::QUESTIONS[0]);

    let path = format!("/v3/surveys/{}/responses/bulk?per_page=100", surveymonkey::survey_number("CatMeals"));
    let (_, page) = answer(get(&sandbox, Endpoint::Surveymonkey, &path)).await;
    let states: Vec<_> = page["data"].as_array().unwrap().iter().map(|it| it["response_status"].clone()).collect();
    assert!(states.contains(&json!("completed")) && states.iter().any(|state| state != "completed"));
    assert!(page["links"]["next"].as_str().unwrap().starts_with("https://api.surveymonkey.net/"), "another host");
}

#[tokio::test]
async fn jotform_leaves_out_the_bound_itself_and_google_knows_two_filters() {
    let sandbox = sandbox().await;
    let submissions = async |filter: Value| {
        let url = format!("{}/form/{}/submissions", sandbox.url(Endpoint::Jotform), jotform::form_number("CatMeals"));
        let url = Url::parse_with_params(&url, [("filter", filter.to_string()), ("limit", "1000".into())]).unwrap();
        answer(client().get(url).header("APIKEY", sandbox.api_token(Endpoint::Jotform))).await
    };
    let (_, all) = submissions(json!({ "created_at:gt": "2026-01-01 00:00:00" })).await;
    let rows = all["content"].as_array().unwrap();
    let oldest = rows.last().unwrap()["created_at"].as_str().unwrap();
    let (_, later) = submissions(json!({ "created_at:gt": oldest })).await;
    assert_eq!(later["content"].as_array().unwrap().len(), rows.len() - 1);
    assert_eq!(submissions(json!({ "created_at:gte": oldest })).await.0, 400);

    let token = oauth::access(&sandbox, Endpoint::GoogleToken).await;
    for (filter, status) in [
        ("timestamp >= 2026-03-10T00:00:00Z", 200),
        ("timestamp > 2026-03-10T00:00:00Z", 200),
        ("timestamp < 2026-03-10T00:00:00Z", 400),
        ("timestamp >= 2026-03-10", 400),
    ] {
        let url = format!("{}/v1/forms/CatMeals/responses", sandbox.url(Endpoint::GoogleForms));
        let url = Url::parse_with_params(&url, [("filter", filter)]).unwrap();
        let (found, page) = answer(client().get(url).bearer_auth(&token)).await;
        assert_eq!(found, status, "{filter}: {page}");
        assert!(status != 200 || page["responses"][0]["answers"][google_forms::ARM_QUESTION].is_object());
    }
}

#[tokio::test]
async fn a_hubspot_search_drops_unknown_properties_and_ends_at_its_ceiling() {
    let sandbox = sandbox().await;
    let search = async |body: Value| {
        let url = format!("{}/crm/v3/objects/contacts/search", sandbox.url(Endpoint::Hubspot));
        let token = sandbox.api_token(Endpoint::Hubspot);
        answer(client().post(url).bearer_auth(token).body(body.to_string())).await
    };
    let (_, page) = search(json!({ "properties": ["email", "description", "no_such_thing"], "limit": 20 })).await;
    let properties = page["results"][0]["properties"].as_object().unwrap();
    assert!(properties["email"].is_string() && properties["description"].is_null());
    assert!(properties.contains_key("description") && !properties.contains_key("no_such_thing"));
    assert!(page["total"].as_u64().unwrap() > 20 && page["paging"]["next"]["after"] == "20");
    let (status, refusal) = search(json!({ "limit": 20, "after": "20" })).await;
    assert_eq!((status, &refusal["category"]), (400, &json!("VALIDATION_ERROR")));
}
