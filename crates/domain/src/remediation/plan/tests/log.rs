use super::*;

/// The cluster as far as a plan touches it, and how often each effect came down on it.
#[derive(Clone)]
struct Cluster {
    deployment: Option<Value>,
    config_map: Option<Value>,
    version: u64,
    applied: BTreeMap<String, usize>,
}

impl Cluster {
    fn new() -> Self {
        Self { deployment: Some(deployment()), config_map: Some(config_map()), version: 1, applied: BTreeMap::new() }
    }

    fn object(&self, kind: &str) -> Option<&Value> {
        if kind == "ConfigMap" { self.config_map.as_ref() } else { self.deployment.as_ref() }
    }

    /// What the API server does with a JSON patch: all of it or nothing.
    fn patch(&mut self, kind: &str, ops: &[Value], key: &str) -> Result<(), String> {
        let slot = if kind == "ConfigMap" { &mut self.config_map } else { &mut self.deployment };
        let mut object = slot.clone().ok_or("gone")?;
        for op in ops {
            let path = op["path"].as_str().unwrap();
            let (parent, last) = path.rsplit_once('/').unwrap();
            let name = last.replace("~1", "/").replace("~0", "~");
            match op["op"].as_str().unwrap() {
                "test" if object.pointer(path) == Some(&op["value"]) => {}
                "add" => match object.pointer_mut(parent).ok_or("no parent")? {
                    Value::Object(map) => drop(map.insert(name, op["value"].clone())),
                    other => *other.get_mut(last.parse::<usize>().unwrap()).unwrap() = op["value"].clone(),
                },
                "remove" => drop(
                    object
                        .pointer_mut(parent)
                        .and_then(Value::as_object_mut)
                        .unwrap()
                        .remove(&name)
                        .ok_or("not there")?,
                ),
                other => return Err(format!("{other} {path}")),
            }
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        *slot = Some(object);
        *self.applied.entry(key.to_owned()).or_default() += 1;
        Ok(())
    }

    /// Somebody else writes.
    fn touch(&mut self, change: impl FnOnce(&mut Value)) {
        self.version += 1;
        if let Some(object) = self.deployment.as_mut() {
            change(object);
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        }
    }

    fn world(&self) -> World {
        World { deployment: self.deployment.clone(), config_map: self.config_map.clone(), ..World::default() }
    }
}

/// Where the process ends in a step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Crash {
    No,
    BeforeActing,
    AfterActing,
}

fn effect(action: &Action, number: usize, cluster: &Cluster, stamp: Timestamp) -> Result<preflight::Effect, String> {
    let all = preflight::effects(action, Some("u1"), &cluster.world(), stamp).map_err(|r| r.message)?;
    all.into_iter().nth(number).ok_or_else(|| "no such effect".to_owned())
}

/// Fingerprint of what the target would be.
fn dry_run(effect: &preflight::Effect, cluster: &Cluster, key: &str) -> Option<String> {
    let Change::Set { wanted, .. } = &effect.change else { return None };
    let (mut draft, kind) = (cluster.clone(), effect.target.kind.name());
    let ops = steps::patch(draft.object(kind)?, wanted, key);
    draft.patch(kind, &ops, key).unwrap();
    Some(fields::digest(&fields::read_like(draft.object(kind)?, wanted)))
}

/// One step forward, in the way of the operator. Returns whether there was one.
fn advance(plan: &mut RemediationPlan, cluster: &mut Cluster, crash: Crash, second: i64) -> bool {
    let now = at(second);
    let transition = match steps::next_step(plan) {
        NextStep::Begin { index, action, effect: number, key } => {
            let raw = plan.spec.actions[index].clone();
            match effect(&action, number, cluster, now) {
                Ok(found) => {
                    let object = cluster.object(found.target.kind.name()).unwrap();
                    let snapshot = steps::snapshot(&found, object, now);
                    intend(plan, index, &raw, &key, snapshot, &found.describe, now)
                        .expecting(dry_run(&found, cluster, &key))
                }
                Err(why) => step_failed(plan, StepAt::New { index, action: &raw, key: &key }, "Refused", &why, now),
            }
        }
        NextStep::Resume { at: place, action, effect: number } => {
            let step = plan.status.as_ref().unwrap().steps[place].clone();
            let kind = step.snapshot.as_ref().unwrap().resource_kind.clone();
            match steps::recognise(&step, cluster.object(&kind)) {
                Recognised::Done { digest } => step_done(plan, place, digest, true, now),
                Recognised::Refuse(r) => step_failed(plan, StepAt::Recorded(place), r.reason, &r.message, now),
                Recognised::Act if crash == Crash::BeforeActing => return true,
                Recognised::Act => match effect(&action, number, cluster, step.intended_at.0) {
                    Ok(found) => {
                        let Change::Set { wanted, .. } = &found.change else { panic!("a deletion") };
                        let ops = steps::patch(cluster.object(&kind).unwrap(), wanted, &step.idempotency_key);
                        cluster.patch(&kind, &ops, &step.idempotency_key).unwrap();
                        if crash == Crash::AfterActing {
                            return true;
                        }
                        let digest = fields::digest(&fields::read_like(cluster.object(&kind).unwrap(), wanted));
                        step_done(plan, place, Some(digest), false, now)
                    }
                    Err(why) => step_failed(plan, StepAt::Recorded(place), "Refused", &why, now),
                },
            }
        }
        NextStep::Broken { .. } | NextStep::AllDone => return false,
    };
    plan.status = Some(transition.status);
    true
}

fn back(plan: &mut RemediationPlan, cluster: &mut Cluster, crash: Crash) -> bool {
    let log = plan.status.as_ref().unwrap().steps.clone();
    let Some(place) = rollback::next_undo(&log) else { return false };
    let transition = if log[place].phase == StepPhase::RollingBack {
        let kind = log[place].snapshot.as_ref().unwrap().resource_kind.clone();
        match rollback::undo(&log[place], cluster.object(&kind)) {
            Undo::AlreadyUndone => undo_done(plan, place, at(900)),
            Undo::Refuse(r) => undo_failed(plan, place, &r.message, at(900)),
            Undo::Act { .. } if crash == Crash::BeforeActing => return true,
            Undo::Act { fields } => {
                let key = steps::undo_key(&log[place].idempotency_key);
                let ops = steps::patch(cluster.object(&kind).unwrap(), &fields, &key);
                cluster.patch(&kind, &ops, &key).unwrap();
                if crash == Crash::AfterActing {
                    return true;
                }
                undo_done(plan, place, at(900))
            }
        }
    } else {
        undo_begin(plan, place)
    };
    plan.status = Some(transition.status);
    true
}

fn actions() -> Vec<RemediationAction> {
    vec![
        action(ActionType::PatchConfig, &[("configmap", "settings"), ("key", "mode"), ("value", "good")]),
        action(ActionType::AdjustResources, &[("memory_limit", "128Mi")]),
        action(ActionType::ScaleDeployment, &[("replicas", "4")]),
    ]
}

fn without_bookkeeping(mut object: Value) -> Value {
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    if let Some(annotations) = object["metadata"].get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("platform.chatcli.io/last-action");
    }
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.retain(|_, v| v != &json!({}));
    if let Some(template) = object.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut) {
        template.retain(|_, v| v != &json!({}));
    }
    object
}

#[test]
fn a_whole_plan_leaves_its_log_and_goes_back() {
    let (mut plan, mut cluster) = (plan(actions()), Cluster::new());
    let mut second = 0;
    while advance(&mut plan, &mut cluster, Crash::No, second) {
        second += 1;
    }
    assert_eq!(steps::next_step(&plan), NextStep::AllDone);
    let log = plan.status.as_ref().unwrap().steps.clone();
    let keys: Vec<&str> = log.iter().map(|s| s.idempotency_key.as_str()).collect();
    assert_eq!(keys, ["uid-plan-0", "uid-plan-0-restart", "uid-plan-1", "uid-plan-2"]);
    assert!(log.iter().all(|s| s.phase == StepPhase::Done && s.digest_after.is_some() && s.done_at.is_some()));
    assert_eq!(cluster.applied.values().copied().collect::<Vec<_>>(), [1, 1, 1, 1]);
    let now = cluster.deployment.as_ref().unwrap();
    assert_eq!(now["spec"]["replicas"], 4);
    assert_eq!(now.pointer("/spec/template/spec/containers/0/resources/limits/memory"), Some(&json!("128Mi")));
    assert_eq!(cluster.config_map.as_ref().unwrap()["data"]["mode"], "good");
    assert!(plan.status.as_ref().unwrap().preflight_snapshot.is_some());
    // Every checkpoint that older clients read.
    assert!(plan.status.as_ref().unwrap().action_checkpoints.iter().all(|c| c.success && c.snapshot_before.is_some()));

    let mut order = Vec::new();
    while back(&mut plan, &mut cluster, Crash::No) {
        let log = &plan.status.as_ref().unwrap().steps;
        order.extend(
            log.iter()
                .filter(|s| s.phase == StepPhase::RolledBack)
                .map(|s| s.idempotency_key.clone())
                .filter(|k| !order.contains(k))
                .collect::<Vec<_>>(),
        );
    }
    // The last action first; inside one, the ConfigMap before the pods that read it.
    assert_eq!(order, ["uid-plan-2", "uid-plan-1", "uid-plan-0", "uid-plan-0-restart"]);
    assert_eq!(without_bookkeeping(cluster.deployment.unwrap()), without_bookkeeping(deployment()));
    assert_eq!(without_bookkeeping(cluster.config_map.unwrap()), without_bookkeeping(config_map()));
    assert_eq!(state(&after(plan.clone(), end_rollback(&plan, at(999)))), RemediationState::RolledBack);
}

#[test]
fn a_change_by_someone_else_is_never_overwritten() {
    let scale = || plan(vec![action(ActionType::ScaleDeployment, &[("replicas", "4")])]);
    // Between intent and action.
    let (mut p, mut cluster) = (scale(), Cluster::new());
    advance(&mut p, &mut cluster, Crash::No, 0);
    cluster.touch(|d| d["spec"]["replicas"] = json!(7));
    while advance(&mut p, &mut cluster, Crash::No, 1) {}
    assert_eq!(cluster.deployment.as_ref().unwrap()["spec"]["replicas"], 7);
    assert_eq!(p.status.as_ref().unwrap().steps[0].phase, StepPhase::Failed);
    assert!(matches!(steps::next_step(&p), NextStep::Broken { .. }));
    // Something else of it changes: that is no obstacle.
    let (mut p, mut cluster) = (scale(), Cluster::new());
    advance(&mut p, &mut cluster, Crash::No, 0);
    cluster.touch(|d| d["metadata"]["labels"]["x"] = json!("y"));
    while advance(&mut p, &mut cluster, Crash::No, 1) {}
    assert_eq!(steps::next_step(&p), NextStep::AllDone);
    // Between action and rollback.
    cluster.touch(|d| d["spec"]["replicas"] = json!(9));
    while back(&mut p, &mut cluster, Crash::No) {}
    assert_eq!(cluster.deployment.as_ref().unwrap()["spec"]["replicas"], 9);
    assert_eq!(p.status.as_ref().unwrap().steps[0].phase, StepPhase::RollbackFailed);
    let ended = after(p.clone(), end_rollback(&p, at(9)));
    assert_eq!(state(&ended), RemediationState::Failed);
    assert!(ended.status.unwrap().rollback_result.unwrap().contains("changed by someone else"));
    // After an action of which the process died before it could say so: it is done, and what stands there is not ours.
    let (mut p, mut cluster) = (scale(), Cluster::new());
    advance(&mut p, &mut cluster, Crash::No, 0);
    advance(&mut p, &mut cluster, Crash::AfterActing, 1);
    cluster.touch(|d| d["spec"]["replicas"] = json!(9));
    while advance(&mut p, &mut cluster, Crash::No, 2) {}
    assert_eq!(p.status.as_ref().unwrap().steps[0].phase, StepPhase::Done);
    while back(&mut p, &mut cluster, Crash::No) {}
    assert_eq!(cluster.deployment.as_ref().unwrap()["spec"]["replicas"], 9);
    assert_eq!(p.status.as_ref().unwrap().steps[0].phase, StepPhase::RollbackFailed);
    // Deleted and made again under the same name.
    let (mut p, mut cluster) = (scale(), Cluster::new());
    advance(&mut p, &mut cluster, Crash::No, 0);
    cluster.touch(|d| d["metadata"]["uid"] = json!("u2"));
    while advance(&mut p, &mut cluster, Crash::No, 1) {}
    assert_eq!(cluster.applied.len(), 0);
    assert!(p.status.as_ref().unwrap().steps[0].message.as_ref().unwrap().contains("made again"));
}

#[test]
fn a_log_that_does_not_fit_the_plan_stops_it() {
    let (mut p, mut cluster) = (plan(actions()), Cluster::new());
    advance(&mut p, &mut cluster, Crash::No, 0);
    p.spec.actions[0].params.insert("value".into(), "worse".into());
    assert!(matches!(steps::next_step(&p), NextStep::Broken { why } if why.contains("changed after it was begun")));
    let mut q = plan(actions());
    q.spec.actions[1].params.insert("memory_limit".into(), "much".into());
    advance(&mut q, &mut Cluster::new(), Crash::No, 0);
    for phase in [StepPhase::RollingBack, StepPhase::RolledBack, StepPhase::RollbackFailed, StepPhase::Failed] {
        q.status.as_mut().unwrap().steps[0].phase = phase;
        assert!(matches!(steps::next_step(&q), NextStep::Broken { .. }), "{phase:?}");
    }
    // A snapshot that cannot be read changes nothing.
    let mut step = p.status.as_ref().unwrap().steps[0].clone();
    step.snapshot.as_mut().unwrap().full_spec = Some("{".into());
    assert!(matches!(steps::recognise(&step, Some(&config_map())), Recognised::Refuse(_)));
    assert!(matches!(rollback::undo(&step, Some(&config_map())), Undo::Refuse(_)));
    step.snapshot = None;
    assert!(matches!(steps::recognise(&step, Some(&config_map())), Recognised::Refuse(_)));
    assert!(matches!(rollback::undo(&step, Some(&config_map())), Undo::Refuse(_)));
}

#[test]
fn a_deleted_pod_is_deleted_once() {
    let pod = json!({"metadata": {"name": "p", "namespace": "shop", "uid": "pod-1", "resourceVersion": "4", "ownerReferences": [{"uid": "rs", "controller": true}]}});
    let rs = json!({"metadata": {"uid": "rs", "ownerReferences": [{"uid": "u1", "controller": true}]}});
    let raw = action(ActionType::DeletePod, &[("pod", "p")]);
    let world =
        World { deployment: Some(deployment()), replica_sets: vec![rs], pods: vec![pod.clone()], ..World::default() };
    let found = preflight::effects(&actions::parse(&raw).unwrap(), None, &world, at(0)).unwrap().remove(0);
    let p = plan(vec![raw.clone()]);
    let p = after(p.clone(), intend(&p, 0, &raw, "uid-plan-0", steps::snapshot(&found, &pod, at(0)), "d", at(0)));
    let step = &p.status.as_ref().unwrap().steps[0];
    let with = |pointer: &str, value: Value| {
        let mut other = pod.clone();
        other["metadata"][pointer] = value;
        other
    };
    assert_eq!(steps::recognise(step, Some(&pod)), Recognised::Act);
    let done = Recognised::Done { digest: None };
    assert_eq!(steps::recognise(step, None), done);
    assert_eq!(steps::recognise(step, Some(&with("uid", json!("pod-2")))), done, "its successor is not deleted");
    assert_eq!(steps::recognise(step, Some(&with("deletionTimestamp", json!("2026-01-01T00:00:00Z")))), done);
    assert!(!rollback::reversible(step));
}

proptest::proptest! {
    /// Wherever the process ends, and as often as it does: each side effect happens once, and so does undoing it.
    #[test]
    fn steps_never_repeat(crashes in proptest::collection::vec(0..3_usize, 0..40), undone in proptest::bool::ANY) {
        let kinds = [Crash::No, Crash::BeforeActing, Crash::AfterActing];
        let (mut plan, mut cluster) = (plan(actions()), Cluster::new());
        let mut crash = crashes.iter().map(|c| kinds[*c]).chain(std::iter::repeat(Crash::No));
        let mut second = 0;
        while advance(&mut plan, &mut cluster, crash.next().unwrap(), second) {
            second += 1;
            proptest::prop_assert!(second < 200);
            let log = &plan.status.as_ref().unwrap().steps;
            let mut keys: Vec<&String> = log.iter().map(|s| &s.idempotency_key).collect();
            keys.dedup();
            proptest::prop_assert_eq!(keys.len(), log.len());
            // Nothing is on the cluster whose intent is not in the log.
            proptest::prop_assert!(cluster.applied.keys().all(|k| log.iter().any(|s| s.idempotency_key == *k)));
        }
        proptest::prop_assert_eq!(steps::next_step(&plan), NextStep::AllDone);
        if undone {
            let mut crash = crashes.iter().rev().map(|c| kinds[*c]).chain(std::iter::repeat(Crash::No));
            while back(&mut plan, &mut cluster, crash.next().unwrap()) {}
            proptest::prop_assert_eq!(rollback::ended(&plan.status.as_ref().unwrap().steps), rollback::Ended::RolledBack);
            proptest::prop_assert_eq!(without_bookkeeping(cluster.deployment.clone().unwrap()), without_bookkeeping(deployment()));
        }
        proptest::prop_assert_eq!(cluster.applied.len(), if undone { 8 } else { 4 });
        proptest::prop_assert!(cluster.applied.values().all(|n| *n == 1), "{:?}", cluster.applied);
    }

    /// A patch of fields makes the object hold them, and the patch back restores it, whatever was there before.
    #[test]
    fn fields_go_there_and_back(has in proptest::collection::btree_map("[a-c~/]{1,3}", 0..5_i32, 0..4), wants in proptest::collection::btree_map("[a-c~/]{1,3}", 0..5_i32, 0..4), parent in proptest::bool::ANY) {
        let mut object = json!({"metadata": {"uid": "u", "resourceVersion": "1"}});
        if parent || !has.is_empty() {
            object["data"] = json!(has);
        }
        let wanted: fields::Fields = wants.iter().map(|(k, v)| (format!("/data/{}", fields::segment(k)), if *v == 0 { Value::Null } else { json!(v) })).collect();
        let before = fields::read_like(&object, &wanted);
        let mut cluster = Cluster { config_map: Some(object.clone()), ..Cluster::new() };
        cluster.patch("ConfigMap", &fields::ops(&object, &wanted), "there").unwrap();
        let there = cluster.config_map.clone().unwrap();
        proptest::prop_assert_eq!(fields::read_like(&there, &wanted), wanted);
        cluster.patch("ConfigMap", &fields::ops(&there, &before), "back").unwrap();
        let back = cluster.config_map.unwrap();
        proptest::prop_assert_eq!(fields::read_like(&back, &before), before.clone());
        proptest::prop_assert_eq!(fields::from_text(&fields::to_text(&before)).unwrap(), before);
    }
}
