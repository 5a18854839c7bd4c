//! Numbered places for what the event loop watches. A number is never given out twice, so an event or an answer for
//! something that is gone finds nothing.

/// Names one occupant of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    index: u32,
    generation: u32,
}

impl Token {
    /// As one number, for epoll.
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// Back from [`Self::to_u64`].
    pub fn from_u64(number: u64) -> Self {
        Self {
            index: number as u32,
            generation: (number >> 32) as u32,
        }
    }
}

/// The places.
#[derive(Debug)]
pub struct Slots<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Slots<T> {
    /// None yet.
    pub fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Puts a value into a free place.
    pub fn insert(&mut self, value: T) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            u32::try_from(self.places.len() - 1).expect("descriptors are far fewer")
        });
        let place = &mut self.places[index as usize];
        place.1 = Some(value);
        Token {
            index,
            generation: place.0,
        }
    }

    /// The value, if it is still there.
    pub fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        let place = self.places.get_mut(token.index as usize)?;
        place.1.as_mut().filter(|_| place.0 == token.generation)
    }

    /// Takes the value out.
    pub fn remove(&mut self, token: Token) -> Option<T> {
        let place = self.places.get_mut(token.index as usize)?;
        let value = place.1.take_if(|_| place.0 == token.generation)?;
        place.0 = place.0.wrapping_add(1);
        self.free.push(token.index);
        Some(value)
    }

    /// All that are there.
    pub fn tokens(&self) -> impl Iterator<Item = (Token, &T)> {
        self.places
            .iter()
            .enumerate()
            .filter_map(|(index, (generation, value))| {
                let (index, generation) = (u32::try_from(index).ok()?, *generation);
                Some((Token { index, generation }, value.as_ref()?))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_used_again_has_another_number() {
        let mut slots = Slots::new();
        let first = slots.insert('a');
        assert_eq!(slots.remove(first), Some('a'));
        let second = slots.insert('b');
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(
            slots.get_mut(Token::from_u64(second.to_u64())),
            Some(&mut 'b')
        );
        assert_eq!(slots.tokens().collect::<Vec<_>>(), [(second, &'b')]);
    }
}
