use proptest::prelude::*;

use super::*;

fn entry(number: u32) -> Entry {
    Entry {
        key: number.to_be_bytes().to_vec(),
        value: number.to_le_bytes().to_vec(),
    }
}

fn store(built: &Built, into: &mut HashMap<Address, Vec<u8>>) {
    into.extend(
        built
            .chunks
            .iter()
            .map(|sealed| (sealed.address, sealed.bytes.clone())),
    );
}

fn load(
    root: Option<&ChunkRef>,
    have: &HashMap<Address, Vec<u8>>,
    previous: &Tree<Vec<Entry>>,
) -> (Tree<Vec<Entry>>, usize) {
    let mut fetched = 0;
    let tree = Tree::load(
        Kind::TenantLeaf,
        root,
        previous,
        &mut |reference| {
            fetched += 1;
            Ok::<_, DecodeError>(have[&reference.address()?].clone())
        },
        &mut Ok,
    )
    .expect("loads");
    (tree, fetched)
}

#[test]
fn one_change_among_100_000_rewrites_one_leaf_and_its_path() {
    let built = build(Kind::TenantLeaf, (0..100_000).map(entry));
    let mut have = HashMap::new();
    store(&built, &mut have);
    let change = Change {
        key: entry(77).key,
        value: Some(b"new".to_vec()),
    };
    let updated =
        update(Kind::TenantLeaf, built.root.as_ref(), vec![change], &have).expect("updates");
    assert_eq!(updated.chunks.len(), 3, "leaf, interior, root");
    assert_eq!(updated.replaced.len(), 3);
    let (before, all) = load(built.root.as_ref(), &have, &Tree::default());
    assert_eq!(all, built.chunks.len());
    store(&updated, &mut have);
    let (after, fetched) = load(updated.root.as_ref(), &have, &before);
    assert_eq!((fetched, after.len()), (3, 100_000));
}

#[test]
fn an_update_says_which_chunks_it_needs() {
    let built = build(Kind::TenantLeaf, (0..2_000).map(entry));
    let mut have = HashMap::new();
    let change = Change {
        key: entry(5).key,
        value: None,
    };
    let mut rounds = 0;
    let updated = loop {
        match update(
            Kind::TenantLeaf,
            built.root.as_ref(),
            vec![change.clone()],
            &have,
        ) {
            Ok(updated) => break updated,
            Err(UpdateError::Missing(missing)) => {
                rounds += 1;
                for reference in missing {
                    let address = reference.address().expect("ours");
                    let sealed = built
                        .chunks
                        .iter()
                        .find(|sealed| sealed.address == address)
                        .expect("built");
                    have.insert(address, sealed.bytes.clone());
                }
            }
            Err(cause) => panic!("{cause}"),
        }
    };
    assert_eq!((rounds, updated.chunks.len()), (2, 2));
}

#[test]
fn a_leaf_with_an_entry_in_the_wrong_place_is_refused() {
    let built = build(Kind::TenantLeaf, (0..2_000).map(entry));
    let mut have: HashMap<Address, Vec<u8>> = HashMap::new();
    store(&built, &mut have);
    let root: Interior = chunk::open(
        Kind::Interior,
        &have[&built.root.as_ref().expect("root").address().expect("ours")],
    )
    .expect("interior");
    let mut swapped = root.clone();
    swapped.children[0].chunk = root.children[1].chunk.clone();
    let sealed = chunk::encode(Kind::Interior, &swapped);
    have.insert(sealed.address, sealed.bytes.clone());
    let refused = Tree::load(
        Kind::TenantLeaf,
        Some(&sealed.reference()),
        &Tree::default(),
        &mut |reference| Ok::<_, DecodeError>(have[&reference.address()?].clone()),
        &mut Ok,
    );
    assert!(matches!(refused, Err(DecodeError::NotCanonical { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_shape_depends_on_the_content_alone(
        start in 0u32..3_000,
        steps in proptest::collection::vec((0u32..3_000, 1u32..900, any::<bool>()), 1..6),
    ) {
        let mut content: BTreeMap<u32, Entry> = (0..start).map(|number| (number, entry(number))).collect();
        let built = build(Kind::TenantLeaf, content.values().cloned());
        let mut have = HashMap::new();
        store(&built, &mut have);
        let mut root = built.root;
        for (from, length, is_insertion) in steps {
            let changes = (from..from + length)
                .map(|number| {
                    let change = if is_insertion { content.insert(number, entry(number)); Some(entry(number).value) } else { content.remove(&number); None };
                    Change { key: entry(number).key, value: change }
                })
                .collect();
            let updated = update(Kind::TenantLeaf, root.as_ref(), changes, &have).expect("all chunks are here");
            store(&updated, &mut have);
            for address in &updated.replaced {
                have.remove(address);
            }
            root = updated.root;
            let anew = build(Kind::TenantLeaf, content.values().cloned());
            prop_assert_eq!(&root, &anew.root);
            let named: HashSet<Address> = anew.chunks.iter().map(|sealed| sealed.address).collect();
            let kept: HashSet<Address> = have.keys().copied().collect();
            prop_assert_eq!(kept, named, "exactly what is not named any more is replaced");
        }
    }
}
